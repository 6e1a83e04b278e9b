#!/usr/bin/env python3
"""Writes tiny models of families of which Hugging Face transformers has no class, only code that
is published beside the weights, and the logits that the formulas of docs/semantics.md give with
them, in double precision.

    python3 tests/golden/remote.py [FOLDER]

Of each family it writes whole/NAME beside this file, as whole.py does, and ../gguf/NAME-f32, or
both in FOLDER. Written with numpy and gguf (Debian sid: python3-numpy, python3-gguf). The logits
in ../gguf are libllama's (0.7.0) with the file there, in f32 with a cache of f32 and without flash
attention: they differ from those here by less than 3e-6 of their rms.
"""
import json
import pathlib
import struct
import sys

import gguf
import numpy

VOCABULARY, TOKENS, HIDDEN, WINDOW, EPSILON = 40, 40, 32, 6, 1e-5
HERE = pathlib.Path(__file__).parent


class Model:
    """Tensors by both names, and what blocks are."""

    def __init__(self, seed, **numbers):
        self.rng = numpy.random.default_rng(seed)
        self.published, self.converted = {}, {}
        self.less = 0.0  # what weights of norms are published without
        self.ids = numpy.random.default_rng(5).integers(0, VOCABULARY, TOKENS)
        self.__dict__.update(numbers)

    def make(self, *shape, deviation=None, mean=0.0):
        deviation = 1.2 / numpy.sqrt(shape[-1]) if deviation is None else deviation
        return (mean + deviation * self.rng.standard_normal(shape)).astype("f4")

    def put(self, published, converted, values):
        if published:
            self.published[published] = values
        self.converted[converted] = values

    def put_in(self, block, published, converted, values):
        name = f"model.layers.{block}.{published}" if published else None
        self.put(name, f"blk.{block}.{converted}", values)

    def part(self, block, name):
        """In double; None if there is none."""
        values = self.converted.get(f"blk.{block}.{name}")
        return values if values is None else values.astype("f8")

    def put_norm(self, block, published, converted, count=HIDDEN):
        weight = self.make(count, deviation=0.3, mean=1.0 - self.less)
        self.put_in(block, published, converted, weight + numpy.float32(self.less))
        self.published[f"model.layers.{block}.{published}"] = weight

    def put_network(self, block, published, converted, inner, tail):
        for name in ("gate", "up", "down"):
            shape = (HIDDEN, inner) if name == "down" else (inner, HIDDEN)
            self.put_in(block, f"{published}.{name}_proj.weight", f"ffn_{name}{tail}.weight",
                        self.make(*shape))

    def put_ends(self):
        self.put("model.embed_tokens.weight", "token_embd.weight",
                 self.make(VOCABULARY, HIDDEN, deviation=1.0))
        weight = self.make(HIDDEN, deviation=0.3, mean=1.0 - self.less)
        self.put("model.norm.weight", "output_norm.weight", weight + numpy.float32(self.less))
        self.published["model.norm.weight"] = weight
        self.put("lm_head.weight", "output.weight", self.make(VOCABULARY, HIDDEN))


def norm(x, weight):
    return x / numpy.sqrt((x * x).mean(-1, keepdims=True) + EPSILON) * weight


def sigmoid(x):
    return 1.0 / (1.0 + numpy.exp(-x))


def rotate(x, size, base, divisors=1.0):
    """The first `size` elements of heads [tokens][heads][...], in halves."""
    half = size // 2
    angles = numpy.arange(len(x))[:, None] * base ** (-numpy.arange(half) / half) / divisors
    c, s = numpy.cos(angles)[:, None], numpy.sin(angles)[:, None]
    y = x.copy()
    y[..., :half] = x[..., :half] * c - x[..., half:size] * s
    y[..., half:size] = x[..., half:size] * c + x[..., :half] * s
    return y


def attend(query, key, value, window, sinks):
    """Softmax over keys up to the query's, the last `window` of them, if it is not 0."""
    tokens, heads, size = query.shape
    shared = heads // key.shape[1]
    out = numpy.zeros((tokens, heads, value.shape[2]))
    for i in range(tokens):
        first = max(0, i - window + 1) if window else 0
        for h in range(heads):
            scores = key[first:i + 1, h // shared] @ query[i, h] / numpy.sqrt(size)
            sink = -numpy.inf if sinks is None else sinks[h]
            most = max(scores.max(), sink)
            weights = numpy.exp(scores - most)
            weights /= weights.sum() + numpy.exp(sink - most)
            out[i, h] = weights @ value[first:i + 1, h // shared]
    return out


def act(gate, up, limit):
    """SiLU of the gate times up, which a limit clamps, if it is not 0."""
    gate = gate * sigmoid(gate)
    if limit:
        gate, up = numpy.minimum(gate, limit), numpy.clip(up, -limit, limit)
    return gate * up


def network(model, block, x, tail="", limit=0.0):
    gate, up, down = (model.part(block, f"ffn_{name}{tail}.weight")
                      for name in ("gate", "up", "down"))
    return act(x @ gate.T, x @ up.T, limit) @ down.T


def experts(model, block, x, limit=0.0):
    """Scores are sigmoids; a bias only selects."""
    gate, up, down = (model.part(block, f"ffn_{name}_exps.weight")
                      for name in ("gate", "up", "down"))
    scores = sigmoid(x @ model.part(block, "ffn_gate_inp.weight").T)
    selected = scores + model.part(block, "exp_probs_b.bias")
    out = numpy.zeros_like(x)
    for token, score, order, to in zip(x, scores, selected, out):
        chosen = numpy.argsort(-order)[:model.k]
        for e, weight in zip(chosen, score[chosen] / score[chosen].sum()):
            to += model.scale * weight * (down[e] @ act(gate[e] @ token, up[e] @ token, limit))
    return out


def write(model, folder, architecture, numbers, config):
    """`folder` has whole/, and gguf/ or that beside it."""
    name = config["model_type"]
    target = (HERE.parent if folder == HERE else folder) / "gguf" / f"{architecture}-f32"
    target.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(target / "model.gguf", architecture)
    for key, value in {"context_length": 256, "embedding_length": HIDDEN,
                       "vocab_size": VOCABULARY, "attention.sliding_window": WINDOW,
                       "attention.layer_norm_rms_epsilon": EPSILON, **numbers}.items():
        add = (writer.add_array if isinstance(value, list) else writer.add_float32
               if isinstance(value, float) else writer.add_bool if isinstance(value, bool)
               else writer.add_uint32)
        add(f"{architecture}.{key}", value)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([chr(33 + i) for i in range(VOCABULARY)])
    writer.add_token_types([1] * VOCABULARY)
    writer.add_token_merges(['! "'])
    writer.add_eos_token_id(1)
    for key, values in model.converted.items():
        writer.add_tensor(key, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    numpy.save(target / "ids.npy", model.ids.astype("i4"))
    whole = folder / "whole" / name
    whole.mkdir(parents=True, exist_ok=True)
    (whole / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    header, at = {}, 0
    for key, values in model.published.items():
        header[key] = {"dtype": "F32", "shape": list(values.shape),
                       "data_offsets": [at, at + values.nbytes]}
        at += values.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (whole / "model.safetensors").write_bytes(
        struct.pack("<Q", len(text)) + text
        + b"".join(values.tobytes() for values in model.published.values()))
    numpy.save(whole / "ids.npy", model.ids.astype("i4"))
    return whole


def run(model, block_of):
    x = model.converted["token_embd.weight"].astype("f8")[model.ids]
    for block in range(model.blocks):
        x = block_of(model, block, x)
    final = norm(x, model.converted["output_norm.weight"].astype("f8"))
    return final @ model.converted["output.weight"].astype("f8").T


# ----------------------------------------------------------------------------- MiMo-V2-Flash

MIMO_SCALE = 0.707


def mimo_block(m, block, x):
    """Keys are longer than values, a third of each is turned; blocks with a window have heads, a
    base and sinks of their own."""
    h = norm(x, m.part(block, "attn_norm.weight"))
    base = (500.0, 70.0)[m.pattern[block]]
    query, key, value = (
        (h @ m.part(block, f"attn_{name}.weight").T).reshape(TOKENS, heads, size)
        for name, heads, size in (("q", m.heads, m.size), ("k", m.kv[m.pattern[block]], m.size),
                                  ("v", m.kv[m.pattern[block]], m.value_size)))
    attended = attend(rotate(query, m.turned, base), rotate(key, m.turned, base),
                      MIMO_SCALE * value, WINDOW * m.pattern[block],
                      m.part(block, "attn_sinks.weight"))
    x = x + attended.reshape(TOKENS, -1) @ m.part(block, "attn_output.weight").T
    h = norm(x, m.part(block, "ffn_norm.weight"))
    return x + (experts(m, block, h) if block else network(m, block, h))


def make_mimo(folder):
    m = Model(11, blocks=4, heads=4, size=12, value_size=8, turned=4, pattern=[0, 1, 1, 0],
              kv=(1, 2), experts=6, k=3, inner=8, dense=20, scale=1.0)
    m.put_ends()
    for b in range(m.blocks):
        kv = m.kv[m.pattern[b]]
        m.put_norm(b, "input_layernorm.weight", "attn_norm.weight")
        m.put_norm(b, "post_attention_layernorm.weight", "ffn_norm.weight")
        for name, rows in (("q", m.heads * m.size), ("k", kv * m.size), ("v", kv * m.value_size)):
            m.put_in(b, f"self_attn.{name}_proj.weight", f"attn_{name}.weight",
                     m.make(rows, HIDDEN))
        m.put_in(b, "self_attn.o_proj.weight", "attn_output.weight",
                 m.make(HIDDEN, m.heads * m.value_size))
        if m.pattern[b]:
            m.put_in(b, "self_attn.attention_sink_bias", "attn_sinks.weight",
                     m.make(m.heads, deviation=1.0))
        if b == 0:
            m.put_network(b, "mlp", "", m.dense, "")
            continue
        m.put_in(b, "mlp.gate.weight", "ffn_gate_inp.weight", m.make(m.experts, HIDDEN))
        m.put_in(b, "mlp.gate.e_score_correction_bias", "exp_probs_b.bias",
                 m.make(m.experts, deviation=0.2))
        for name in ("gate", "up", "down"):
            shape = (HIDDEN, m.inner) if name == "down" else (m.inner, HIDDEN)
            values = m.make(m.experts, *shape)
            m.put_in(b, None, f"ffn_{name}_exps.weight", values)
            for e in range(m.experts):
                m.published[f"model.layers.{b}.mlp.experts.{e}.{name}_proj.weight"] = values[e]
    whole = write(m, folder, "mimo2", {
        "block_count": m.blocks, "feed_forward_length": m.dense, "attention.head_count": m.heads,
        "attention.head_count_kv": [m.kv[p] for p in m.pattern], "attention.key_length": m.size,
        "attention.value_length": m.value_size, "rope.freq_base": 500.0,
        "rope.freq_base_swa": 70.0, "rope.dimension_count": m.turned,
        "attention.sliding_window_pattern": [bool(p) for p in m.pattern],
        "expert_count": m.experts, "expert_used_count": m.k,
        "expert_feed_forward_length": m.inner, "attention.value_scale": MIMO_SCALE,
    }, {
        "model_type": "mimo_v2_flash", "architectures": ["MiMoV2FlashForCausalLM"],
        "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_hidden_layers": m.blocks,
        "intermediate_size": m.dense, "moe_intermediate_size": m.inner, "hidden_act": "silu",
        "num_attention_heads": m.heads, "num_key_value_heads": m.kv[0], "head_dim": m.size,
        "v_head_dim": m.value_size, "swa_num_attention_heads": m.heads,
        "swa_num_key_value_heads": m.kv[1], "swa_head_dim": m.size,
        "swa_v_head_dim": m.value_size, "rope_theta": 500, "swa_rope_theta": 70,
        "partial_rotary_factor": 0.334, "attention_value_scale": MIMO_SCALE,
        "attention_bias": False, "add_swa_attention_sink_bias": True,
        "add_full_attention_sink_bias": False, "sliding_window": WINDOW,
        "sliding_window_size": WINDOW, "attention_chunk_size": WINDOW,
        "hybrid_layer_pattern": m.pattern, "moe_layer_freq": [0, 1, 1, 1],
        "n_routed_experts": m.experts, "n_shared_experts": None, "num_experts_per_tok": m.k,
        "scoring_func": "sigmoid", "topk_method": "noaux_tc", "n_group": 1, "topk_group": 1,
        "norm_topk_prob": True, "routed_scaling_factor": None, "layernorm_epsilon": EPSILON,
        "max_position_embeddings": 256, "tie_word_embeddings": False, "eos_token_id": 1,
    })
    numpy.save(whole / "logits.npy", run(m, mimo_block).astype("f4"))


# ----------------------------------------------------------------------------- Step-3.5-Flash

# What Llama 3's scaling is for the frequencies here, before those of the other half of a head.
STEP_SCALE, DIVISORS = 1.5, numpy.array([1.0, 3.0, 1.0, 1.0], "f4")
STEP_ROPE = {"rope_type": "llama3", "factor": 3.0, "low_freq_factor": 1.0,
             "high_freq_factor": 4.0, "original_max_position_embeddings": 64}


def step_block(m, block, x):
    """Blocks with a window have heads and a base of their own and turn all of a head, the others
    half of it, as Llama 3 scales it. Each head has a gate, experts and networks have limits."""
    sliding = m.pattern[block]
    h = norm(x, m.part(block, "attn_norm.weight"))
    turn = ((m.size // 2, 500.0, DIVISORS[:m.size // 4]), (m.size, 70.0, 1.0))[sliding]
    query, key, value = ((h @ m.part(block, f"attn_{name}.weight").T).reshape(
        TOKENS, heads[sliding], m.size) for name, heads in (("q", m.heads), ("k", m.kv),
                                                            ("v", m.kv)))
    query = rotate(norm(query, m.part(block, "attn_q_norm.weight")), *turn)
    key = rotate(norm(key, m.part(block, "attn_k_norm.weight")), *turn)
    attended = attend(query, key, value, WINDOW * sliding, None)
    attended *= sigmoid(h @ m.part(block, "attn_gate.weight").T)[..., None]
    x = x + attended.reshape(TOKENS, -1) @ m.part(block, "attn_output.weight").T
    h = norm(x, m.part(block, "ffn_norm.weight"))
    if block == 0:
        return x + network(m, block, h, limit=m.shared_limits[0])
    return (x + experts(m, block, h, m.limits[block])
            + network(m, block, h, "_shexp", m.shared_limits[block]))


def make_step(folder):
    m = Model(12, blocks=4, heads=(4, 6), size=8, pattern=[0, 1, 1, 0], kv=(2, 3), experts=5,
              k=2, inner=8, dense=16, shared=10, scale=STEP_SCALE, limits=[0.0, 0.0, 0.25, 0.5],
              shared_limits=[0.4, 0.0, 0.3, 0.0], less=1.0)
    m.put_ends()
    m.put(None, "rope_freqs.weight", DIVISORS)
    for b in range(m.blocks):
        heads, kv = (count[m.pattern[b]] for count in (m.heads, m.kv))
        m.put_norm(b, "input_layernorm.weight", "attn_norm.weight")
        m.put_norm(b, "post_attention_layernorm.weight", "ffn_norm.weight")
        m.put_norm(b, "self_attn.q_norm.weight", "attn_q_norm.weight", m.size)
        m.put_norm(b, "self_attn.k_norm.weight", "attn_k_norm.weight", m.size)
        for name, own, rows in (("q", "q", heads * m.size), ("k", "k", kv * m.size),
                                ("v", "v", kv * m.size), ("g", "gate", heads)):
            m.put_in(b, f"self_attn.{name}_proj.weight", f"attn_{own}.weight",
                     m.make(rows, HIDDEN))
        m.put_in(b, "self_attn.o_proj.weight", "attn_output.weight",
                 m.make(HIDDEN, heads * m.size))
        if b == 0:
            m.put_network(b, "mlp", "", m.dense, "")
            continue
        m.put_network(b, "share_expert", "", m.shared, "_shexp")
        m.put_in(b, "moe.gate.weight", "ffn_gate_inp.weight", m.make(m.experts, HIDDEN))
        m.put_in(b, "moe.router_bias", "exp_probs_b.bias", m.make(m.experts, deviation=0.2))
        for name in ("gate", "up", "down"):
            shape = (HIDDEN, m.inner) if name == "down" else (m.inner, HIDDEN)
            m.put_in(b, f"moe.{name}_proj.weight", f"ffn_{name}_exps.weight",
                     m.make(m.experts, *shape))
    more = [*m.pattern, 1]  # of a prediction head, which is left out
    whole = write(m, folder, "step35", {
        "block_count": m.blocks, "feed_forward_length": m.dense,
        "attention.head_count": [m.heads[p] for p in m.pattern],
        "attention.head_count_kv": [m.kv[p] for p in m.pattern], "attention.key_length": m.size,
        "attention.value_length": m.size, "rope.freq_base": 500.0, "rope.freq_base_swa": 70.0,
        "attention.sliding_window_pattern": [bool(p) for p in m.pattern],
        "expert_count": m.experts, "expert_used_count": m.k,
        "expert_feed_forward_length": m.inner, "expert_shared_feed_forward_length": m.shared,
        "expert_weights_scale": STEP_SCALE, "expert_weights_norm": True,
        "leading_dense_block_count": 1, "swiglu_clamp_exp": m.limits,
        "swiglu_clamp_shexp": m.shared_limits,
    }, {
        "model_type": "step3p5", "architectures": ["Step3p5ForCausalLM"],
        "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_hidden_layers": m.blocks,
        "intermediate_size": m.dense, "num_attention_heads": m.heads[0],
        "num_attention_groups": m.kv[0], "head_dim": m.size, "att_impl_type": "GQA",
        "attention_other_setting": {
            "attention_type": "sliding_attention", "num_attention_heads": m.heads[1],
            "num_attention_groups": m.kv[1], "head_dim": m.size},
        "use_head_wise_attn_gate": True, "sliding_window": WINDOW,
        "layer_types": [("full_attention", "sliding_attention")[p] for p in more],
        "rope_theta": [(500, 70)[p] for p in more],
        "partial_rotary_factors": [(0.5, 1.0)[p] for p in more], "use_rope_layers": [],
        "rope_scaling": STEP_ROPE, "yarn_only_types": ["full_attention"],
        "moe_layers_enum": "1,2,3", "moe_every_n_layer": 1, "moe_num_experts": m.experts,
        "moe_top_k": m.k, "moe_intermediate_size": m.inner, "share_expert_dim": m.shared,
        "moe_router_activation": "sigmoid", "moe_router_scaling_factor": STEP_SCALE,
        "use_moe_router_bias": True, "norm_expert_weight": True, "need_fp32_gate": True,
        "swiglu_limits": [limit or None for limit in m.limits] + [None],
        "swiglu_limits_shared": m.shared_limits + [0.0], "zero_centered": True,
        "num_nextn_predict_layers": 1, "rms_norm_eps": EPSILON, "sink": False,
        "max_position_embeddings": 256, "tie_word_embeddings": False, "eos_token_id": 1,
    })
    numpy.save(whole / "logits.npy", run(m, step_block).astype("f4"))


if __name__ == "__main__":
    to = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    make_mimo(to)
    make_step(to)
