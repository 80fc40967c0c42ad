"""The style of the page: light and dark, on a phone and on paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --panel: #f6f8fa;
  --accent: #0072b2; --good: #116329; --bad: #a40e26;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14181d; --ink: #e6edf3; --soft: #9da7b3; --line: #3d444d; --panel: #1d232a;
    --accent: #58b0e8; --good: #5fce7c; --bad: #ff8e8e;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 62rem;
  background: var(--ground); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif;
  overflow-wrap: anywhere;
}
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .6rem; padding-top: .6rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .4rem; }
p { max-width: 48rem; }
a { color: var(--accent); }
.lead { font-size: 1.1rem; }
.soft, figcaption, caption { color: var(--soft); }
.good { color: var(--good); } .bad { color: var(--bad); }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; padding: 0; list-style: none; }
.scroll { overflow-x: auto; max-width: 100%; margin: .8rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .35rem; font-size: .9rem; }
/* A caption stays in sight, and within the screen, where its table is wider. */
caption span { display: block; position: sticky; left: 0; max-width: calc(100vw - 2rem); }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: normal; }
th:first-child, td:first-child { padding-left: 0; }
th { text-align: left; font-weight: 600; }
tbody th { font-weight: 500; overflow-wrap: break-word; }
.number { text-align: right; white-space: nowrap; }
.text { text-align: left; }
figure { margin: 1rem 0; }
figure img { display: block; width: 100%; max-width: 52rem; height: auto; background: #ffffff;
  border: 1px solid var(--line); border-radius: 6px; }
figcaption { font-size: .9rem; margin-top: .35rem; max-width: 48rem; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px;
  padding: .8rem; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .88rem; }
.heat { width: 100%; table-layout: fixed; }
.heat th { width: 34%; font-size: .85rem; overflow-wrap: anywhere; }
.heat th, .heat td { padding: 1px 4px 1px 0; border: 0; vertical-align: middle; }
.heat svg { display: block; width: 100%; height: 1.5rem; background: var(--panel); }
.heat rect { fill: var(--accent); }
.heat rect.negative { fill: var(--bad); }
.heat rect:hover { stroke: var(--ink); stroke-width: 2; vector-effect: non-scaling-stroke; }
.ends { display: flex; justify-content: space-between; font-size: .8rem; color: var(--soft); }
@media (max-width: 40rem) {
  body { padding: 1rem .8rem 2rem; }
  th, td { padding: .25rem .5rem; font-size: .92rem; }
  figure img { width: 38rem; max-width: none; }
}
@media print {
  :root { --ground: #fff; --ink: #000; --soft: #444; --line: #bbb; --panel: #f4f4f4;
    --accent: #0072b2; --good: #116329; --bad: #a40e26; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  .scroll { overflow: visible; }
  h2, h3, caption { break-after: avoid; }
  figure, .scroll, tr, pre { break-inside: avoid; }
  figure img { width: 100%; max-width: 16cm; }
  caption span { position: static; max-width: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
