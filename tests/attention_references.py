"""The equations of the attention layers, written out in NumPy one entry at a time.

Axes are (batch, steps, channels). A mask is True where a step is to be read; a step outside of it
is never touched, so that it may hold anything. Kernels multiply from the right.
"""

import numpy as np


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def all_steps(inputs, mask):
    return np.ones(inputs.shape[:2], bool) if mask is None else np.asarray(mask)


def softmax(logits, kept=None):
    """Return the softmax of a vector over its kept entries; the others get 0."""
    kept = np.ones(len(logits), bool) if kept is None else kept
    scores = np.zeros(len(logits))
    if kept.any():
        exponentials = np.exp(logits[kept] - logits[kept].max())
        scores[kept] = exponentials / exponentials.sum()
    return scores


def weighted_sum(scores, vectors):
    """Return the sum of the vectors that have a score."""
    total = np.zeros(vectors.shape[-1])
    for score, vector in zip(scores, vectors, strict=True):
        if score:
            total += score * vector
    return total


def gru_step(inputs, hidden, kernel, recurrent_kernel, bias):
    """Return the next state; gates in the order update, reset, candidate; reset after."""
    update, reset, candidate = np.split(inputs @ kernel + bias[0], 3)
    recurrent_update, recurrent_reset, recurrent_candidate = np.split(
        hidden @ recurrent_kernel + bias[1], 3
    )
    z = sigmoid(update + recurrent_update)
    r = sigmoid(reset + recurrent_reset)
    return z * hidden + (1 - z) * np.tanh(candidate + r * recurrent_candidate)


def lstm_step(inputs, hidden, carry, kernel, recurrent_kernel, bias):
    """Return the next states; gates in the order input, forget, candidate, output."""
    i, f, candidate, o = np.split(inputs @ kernel + hidden @ recurrent_kernel + bias, 4)
    carry = sigmoid(f) * carry + sigmoid(i) * np.tanh(candidate)
    return sigmoid(o) * np.tanh(carry), carry


def recurrent_step(cell, inputs, state, weights):
    """Return the next list of states, of which the first is the hidden state."""
    if cell == "gru":
        return [gru_step(inputs, state[0], *weights)]
    return list(lstm_step(inputs, *state, *weights))


# 1
def dense_attention(inputs, kernel, bias):
    scores = np.stack([softmax(row @ kernel + bias) for row in inputs])
    return scores * inputs, scores


# 2: Luong et al. 2015, section 3.1 ("general").
def luong_attention(inputs, mask, score_kernel, output_kernel):
    outputs, scores = [], []
    for states, kept in zip(inputs, all_steps(inputs, mask), strict=True):
        last = states[np.flatnonzero(kept)[-1]]
        logits = np.array([state @ score_kernel @ last for state in states])
        scores.append(softmax(logits, kept))
        context = weighted_sum(scores[-1], states)
        outputs.append(np.tanh(np.concatenate([context, last]) @ output_kernel))
    return np.stack(outputs), np.stack(scores)


# 3: Raffel and Ellis 2015, equations 1 to 3.
def feed_forward_attention(inputs, mask, kernel, bias=None, use_tanh=True):
    outputs, scores = [], []
    for states, kept in zip(inputs, all_steps(inputs, mask), strict=True):
        logits = states @ kernel
        if bias is not None:
            logits = logits + bias
        if use_tanh:
            logits = np.tanh(logits)
        scores.append(softmax(logits, kept))
        outputs.append(weighted_sum(scores[-1], states))
    return np.stack(outputs), np.stack(scores)


# 4: Bahdanau et al. 2014, appendix A.1.2.
def bahdanau_attention(query, states, mask, query_kernel, key_kernel, score_vector):
    queries = query[:, None] if query.ndim == 2 else query
    contexts = np.zeros((*queries.shape[:2], states.shape[2]))
    scores = np.zeros((*queries.shape[:2], states.shape[1]))
    kept = all_steps(states, mask)
    for b in range(len(states)):
        for q in range(queries.shape[1]):
            logits = np.array(
                [
                    score_vector @ np.tanh(queries[b, q] @ query_kernel + state @ key_kernel)
                    for state in states[b]
                ]
            )
            scores[b, q] = softmax(logits, kept[b])
            contexts[b, q] = weighted_sum(scores[b, q], states[b])
    if query.ndim == 2:
        return contexts[:, 0], scores[:, 0]
    return contexts, scores


# 5
def self_attention(
    inputs, mask, projections, score="scaled-dot", score_kernel=None, causal=False, width=None
):
    """Attend; the projections are the kernel and bias of queries, keys and values."""
    queries, keys, values = (inputs @ kernel + bias for kernel, bias in projections)
    batch, steps, units = queries.shape
    kept = all_steps(inputs, mask)
    outputs = np.zeros((batch, steps, units))
    scores = np.zeros((batch, steps, steps))
    for b in range(batch):
        for t in np.flatnonzero(kept[b]):
            logits = np.zeros(steps)
            permitted = np.zeros(steps, bool)
            for s in range(steps):
                q, k = queries[b, t], keys[b, s]
                logits[s] = {
                    "dot": lambda q, k: q @ k,
                    "scaled-dot": lambda q, k: q @ k / np.sqrt(units),
                    "multiplicative": lambda q, k: q @ score_kernel @ k,
                    "additive": lambda q, k: score_kernel @ np.tanh(q + k),
                }[score](q, k)
                permitted[s] = (
                    kept[b, s]
                    and (not causal or s <= t)
                    and (width is None or abs(int(t) - s) <= width)
                )
            scores[b, t] = softmax(logits, permitted)
            outputs[b, t] = weighted_sum(scores[b, t], values[b])
    return outputs, scores


# Lin et al. 2017, equation 8, over the steps that are not masked.
def diversity_penalty(scores, mask):
    penalties = []
    for rows, kept in zip(scores, all_steps(scores, mask), strict=True):
        read = rows[kept][:, kept]
        penalties.append(np.sum((read @ read.T - np.eye(len(read))) ** 2))
    return np.mean(penalties)


# 6: Vaswani et al. 2017, section 3.2; kernels (channels, heads, key_dim), biases (heads, key_dim).
def multi_head_self_attention(inputs, mask, projections, output_kernel, output_bias):
    batch, steps, channels = inputs.shape
    heads, key_dim, _ = output_kernel.shape
    outputs = np.zeros((batch, steps, channels))
    scores = np.zeros((batch, heads, steps, steps))
    for head in range(heads):
        read, scores[:, head] = self_attention(
            inputs, mask, [(kernel[:, head], bias[head]) for kernel, bias in projections]
        )
        outputs += read @ output_kernel[head]
    outputs += output_bias
    outputs[~all_steps(inputs, mask)] = 0
    return outputs, scores


# 7: Yang et al. 2016, equations 5 to 10.
def hierarchical_attention(inputs, mask, block_steps, within, over):
    """Attend; `within` and `over` are each the kernel, bias and vector of a level."""

    def level(vectors, kept, kernel, bias, vector):
        logits = np.array([vector @ np.tanh(row @ kernel + bias) for row in vectors])
        scores = softmax(logits, kept)
        return weighted_sum(scores, vectors), scores

    batch, steps, channels = inputs.shape
    blocks = steps // block_steps
    kept = all_steps(inputs, mask)
    outputs = np.zeros((batch, channels))
    step_scores = np.zeros((batch, blocks, block_steps))
    block_scores = np.zeros((batch, blocks))
    for b in range(batch):
        summaries = np.zeros((blocks, channels))
        readable = np.zeros(blocks, bool)
        for i in range(blocks):
            block = slice(i * block_steps, (i + 1) * block_steps)
            summaries[i], step_scores[b, i] = level(inputs[b, block], kept[b, block], *within)
            readable[i] = kept[b, block].any()
        outputs[b], block_scores[b] = level(summaries, readable, *over)
    return outputs, (step_scores, block_scores)


# 8: Qin et al. 2017, equations 8 to 11, times the number of features.
def input_attention(inputs, mask, cell, query_kernel, key_kernel, score_vector, cell_weights):
    batch, steps, features = inputs.shape
    units = cell_weights[1].shape[0]
    kept = all_steps(inputs, mask)
    outputs = np.zeros((batch, steps, units))
    scores = np.zeros((batch, steps, features))
    for b in range(batch):
        window = np.where(kept[b][:, None], inputs[b], 0)
        state = [np.zeros(units)] * (1 if cell == "gru" else 2)
        for t in range(steps):
            if kept[b, t]:
                read = np.concatenate(state) @ query_kernel
                logits = np.array(
                    [
                        score_vector @ np.tanh(read + window[:, k] @ key_kernel)
                        for k in range(features)
                    ]
                )
                scores[b, t] = softmax(logits)
                weighted = scores[b, t] * window[t] * features
                state = recurrent_step(cell, weighted, state, cell_weights)
            outputs[b, t] = state[0]
    return outputs, scores


# 9: Guo et al. 2019, section 3.2.
def variable_attention(states, mask, step_kernel, step_bias, step_vector, variable_vector):
    batch, features, steps, channels = states.shape
    kept = np.ones((batch, steps), bool) if mask is None else np.asarray(mask)
    outputs = np.zeros((batch, features, 2 * channels))
    step_scores = np.zeros((batch, features, steps))
    variable_scores = np.zeros((batch, features))
    for b in range(batch):
        last = np.flatnonzero(kept[b])[-1]
        for n in range(features):
            logits = np.array(
                [
                    step_vector[n] @ np.tanh(state @ step_kernel[n] + step_bias[n])
                    for state in states[b, n]
                ]
            )
            step_scores[b, n] = softmax(logits, kept[b])
            context = weighted_sum(step_scores[b, n], states[b, n])
            outputs[b, n] = np.concatenate([context, states[b, n, last]])
        variable_scores[b] = softmax(outputs[b] @ variable_vector)
    return outputs, (step_scores, variable_scores)


# 10: Choi et al. 2016, section 2.2.
def reverse_time_attention(
    inputs, mask, embedding, step_gru, weight_gru, step_kernel, weight_kernel, weight_bias
):
    batch, steps, _ = inputs.shape
    units = embedding.shape[1]
    kept = all_steps(inputs, mask)
    contexts = np.zeros((batch, units))
    alphas = np.zeros((batch, steps))
    betas = np.zeros((batch, steps, units))
    for b in range(batch):
        logits = np.zeros(steps)
        g = np.zeros(units)
        h = np.zeros(units)
        for t in reversed(np.flatnonzero(kept[b])):
            embedded = inputs[b, t] @ embedding
            g = gru_step(embedded, g, *step_gru)
            h = gru_step(embedded, h, *weight_gru)
            logits[t] = g @ step_kernel
            betas[b, t] = np.tanh(h @ weight_kernel + weight_bias)
        alphas[b] = softmax(logits, kept[b])
        for t in np.flatnonzero(kept[b]):
            contexts[b] += alphas[b, t] * betas[b, t] * (inputs[b, t] @ embedding)
    return contexts, (alphas, betas)


# Choi et al. 2016, section 2.3.
def reverse_time_contributions(inputs, mask, embedding, alphas, betas, output_kernel):
    batch, steps, features = inputs.shape
    kept = all_steps(inputs, mask)
    contributions = np.zeros((batch, steps, features, output_kernel.shape[1]))
    for b in range(batch):
        for t in np.flatnonzero(kept[b]):
            for k in range(features):
                through = (embedding[k] * betas[b, t]) @ output_kernel
                contributions[b, t, k] = alphas[b, t] * inputs[b, t, k] * through
    return contributions


# 11: returns the outputs without noise, the nats and the price of a batch.
def bottleneck_attention(inputs, mask, bias, context_kernel, power, beta):
    kept = all_steps(inputs, mask)
    outputs = np.zeros(inputs.shape)
    nats = np.zeros(inputs.shape)
    for b, t in zip(*np.nonzero(kept), strict=True):
        gate = sigmoid(bias[t] + inputs[b, t] @ context_kernel)
        outputs[b, t] = gate * inputs[b, t]
        nats[b, t] = 0.5 * np.log(1 + power[t] * gate**2 / (1 - gate) ** 2)
    return outputs, nats, beta * np.mean(nats.sum((1, 2)))


# 12: Bahdanau et al. 2014 ("additive") or Luong et al. 2015 ("luong") at each step of the horizon.
def attention_decoder(
    states,
    mask,
    initial_state,
    first_input,
    horizon,
    cell,
    cell_weights,
    output_kernel,
    output_bias,
    score_weights,
    future_inputs=None,
    targets=None,
):
    """Decode; the score weights are query kernel, key kernel and vector, or one luong kernel."""
    batch, steps, _ = states.shape
    kept = all_steps(states, mask)
    outputs = np.zeros((batch, horizon, len(output_bias)))
    scores = np.zeros((batch, horizon, steps))
    for b in range(batch):
        state = [part[b] for part in initial_state]
        previous = np.zeros(len(output_bias)) if first_input is None else first_input[b]
        for i in range(horizon):
            if len(score_weights) == 1:
                logits = np.array([row @ score_weights[0] @ state[0] for row in states[b]])
            else:
                query_kernel, key_kernel, vector = score_weights
                logits = np.array(
                    [
                        vector @ np.tanh(state[0] @ query_kernel + row @ key_kernel)
                        for row in states[b]
                    ]
                )
            scores[b, i] = softmax(logits, kept[b])
            context = weighted_sum(scores[b, i], states[b])
            read = [context, previous]
            if future_inputs is not None:
                read.append(future_inputs[b, i])
            state = recurrent_step(cell, np.concatenate(read), state, cell_weights)
            outputs[b, i] = np.concatenate([state[0], context]) @ output_kernel + output_bias
            previous = outputs[b, i] if targets is None else targets[b, i]
    return outputs, scores


# 13: Bahdanau et al. 2014 ("additive") or Luong et al. 2015 ("luong") for the states of features.
def feature_state_attention(query, states, mask, scope, score_weights):
    """Attend; the score weights are query kernel, key kernel and vector, or one luong kernel."""
    batch, features, steps, channels = states.shape
    kept = np.ones((batch, steps), bool) if mask is None else np.asarray(mask)
    contexts = np.zeros((batch, query.shape[1], features, channels))
    scores = np.zeros((batch, query.shape[1], 1 if scope == "shared" else features, steps))
    for b, q in np.ndindex(query.shape[:2]):
        logits = np.zeros((features, steps))
        for f in range(features):
            for t in np.flatnonzero(kept[b]):
                if len(score_weights) == 1:
                    logits[f, t] = states[b, f, t] @ (query[b, q] @ score_weights[0])
                else:
                    query_kernel, key_kernel, vector = score_weights
                    key = states[b, f, t] @ key_kernel
                    logits[f, t] = vector @ np.tanh(query[b, q] @ query_kernel + key)
        if scope == "all":
            together = softmax(logits.ravel(), np.tile(kept[b], features))
            scores[b, q] = together.reshape(features, steps)
        elif scope == "shared":
            scores[b, q, 0] = softmax(logits.mean(0), kept[b])
        else:
            scores[b, q] = np.stack([softmax(row, kept[b]) for row in logits])
        for f in range(features):
            times = features if scope == "all" else 1
            row = scores[b, q, 0 if scope == "shared" else f]
            contexts[b, q, f] = times * weighted_sum(row, states[b, f])
    return contexts, scores


# Lin et al. 2023, sections 4.1 and 4.2: one recurrent layer over the segments of each feature.
def per_feature_recurrent(
    inputs, mask, cell, segment, embedding, cell_weights, projection=None, context=None
):
    """Read each feature by itself; the projection is the kernel and bias of a ReLU layer."""
    batch, steps, features = inputs.shape
    units = cell_weights[1].shape[0]
    kept = all_steps(inputs, mask)
    states = np.zeros((batch, features, steps // segment, units))
    for b, k in np.ndindex(batch, features):
        state = [np.zeros(units)] * (1 if cell == "gru" else 2)
        for s in range(steps // segment):
            rows = range(s * segment, (s + 1) * segment)
            values = [inputs[b, t, k] if kept[b, t] else 0.0 for t in rows]
            read = np.concatenate([values, embedding[k], [] if context is None else context[b, k]])
            if projection is not None:
                read = np.maximum(read @ projection[0] + projection[1], 0)
            if kept[b, list(rows)].any():
                state = recurrent_step(cell, read, state, cell_weights)
            states[b, k, s] = state[0]
    return states


def per_feature_forecast(window, future, weights, shape, segment, parts, spreads):
    """Return the forecast (horizon, targets) and scores (targets, parts, segments, channels).

    One window at a time, with additive attention over all states and a GRU. The weights are those
    of the layers by their name; the spreads (features,) are those taken off, or None.
    """
    horizon, targets, features = shape
    missing = -len(window) % segment
    filled = np.concatenate([np.zeros((missing, features)), window])[None]
    spreads = None if spreads is None else np.log(spreads)[:, None]  # (features, 1)
    embedding, kernel, bias, *cell_weights = weights["recurrent_0"]
    states = per_feature_recurrent(
        filled,
        None,
        "gru",
        segment,
        embedding,
        cell_weights,
        (kernel, bias),
        None if spreads is None else spreads[None],
    )[0]  # (features, segments, units)
    size = parts[0][1]
    forecast, scores = np.zeros((horizon, targets)), []
    for target in range(targets):
        own = np.concatenate([states[target : target + 1], states[targets:]])
        for i, (first, last) in enumerate(parts):
            known = weights["part_queries"][0][i].copy()
            if targets > 1:
                known += weights["target_queries"][0][target]
            if spreads is not None:
                kernel, bias = weights["level"]
                known += spreads[target] @ kernel + bias
            if future is not None:
                ahead = np.zeros((size, future.shape[1]))
                ahead[: last - first + 1] = future[first - 1 : last]
                kernel, bias = weights["known_ahead"]
                known += ahead.ravel() @ kernel + bias
            kernel, bias = weights["last_state"]
            query = known + own[0, -1] @ kernel + bias
            query_kernel, key_kernel, vector = weights["attention"]
            contexts, score = feature_state_attention(
                query[None, None], own[None], None, "all", (query_kernel, key_kernel, vector[:, 0])
            )
            scores.append(score[0, 0].T)  # (segments, channels)
            kernel, bias = weights["mix"]
            mixed = np.maximum(np.concatenate([contexts.ravel(), known]) @ kernel + bias, 0)
            kernel, bias = weights["head"]
            steps = mixed @ kernel + bias
            forecast[first - 1 : last, target] = steps[: last - first + 1]
            if future is not None:
                for step in range(first, last + 1):
                    forecast[step - 1, target] += step_forecast(
                        mixed, future[step - 1], weights, step - first, size
                    )
    return forecast, np.stack(scores).reshape(targets, len(parts), *scores[0].shape)


def step_forecast(mixed, known, weights, number, size):
    """Return what the network that all steps share adds to a step, of a part of `size` steps."""
    kernel, bias = weights["step_states"]
    state = (mixed @ kernel + bias).reshape(size, -1)[number]
    hidden = np.maximum(state + known @ weights["step_known_ahead"][0], 0)
    for name, last in (("step_mix", False), ("step_head", True)):
        kernel, bias = weights[name]
        hidden = hidden @ kernel + bias
        hidden = hidden if last else np.maximum(hidden, 0)
    return hidden[0]
