"""Keras layers of the forecasters; importing this package registers them for loading."""

from tsattn.layers.attention_decoder import AttentionDecoder
from tsattn.layers.bahdanau_attention import BahdanauAttention
from tsattn.layers.bottleneck_attention import BottleneckAttention
from tsattn.layers.dense_attention import DenseAttention
from tsattn.layers.feature_state_attention import FeatureStateAttention
from tsattn.layers.feed_forward_attention import FeedForwardAttention
from tsattn.layers.hierarchical_attention import HierarchicalAttention
from tsattn.layers.input_attention import InputAttention
from tsattn.layers.learned_queries import LearnedQueries
from tsattn.layers.linear_path import LinearPath
from tsattn.layers.luong_attention import LuongAttention
from tsattn.layers.multi_head_self_attention import MultiHeadSelfAttention
from tsattn.layers.per_feature_recurrent import PerFeatureRecurrent
from tsattn.layers.quantile_loss import QuantileLoss
from tsattn.layers.reverse_time_attention import ReverseTimeAttention
from tsattn.layers.reverse_time_forecast import ReverseTimeForecast
from tsattn.layers.self_attention import SelfAttention
from tsattn.layers.temporal_attention import TemporalAttention
from tsattn.layers.variable_attention import VariableAttention
from tsattn.layers.weighted_mean import WeightedMean
from tsattn.layers.window_scaling import WindowScaling, WindowStatistics

__all__ = [
    "AttentionDecoder",
    "BahdanauAttention",
    "BottleneckAttention",
    "DenseAttention",
    "FeatureStateAttention",
    "FeedForwardAttention",
    "HierarchicalAttention",
    "InputAttention",
    "LearnedQueries",
    "LinearPath",
    "LuongAttention",
    "MultiHeadSelfAttention",
    "PerFeatureRecurrent",
    "QuantileLoss",
    "ReverseTimeAttention",
    "ReverseTimeForecast",
    "SelfAttention",
    "TemporalAttention",
    "VariableAttention",
    "WeightedMean",
    "WindowScaling",
    "WindowStatistics",
]
