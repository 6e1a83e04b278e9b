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
        self.put_in(block, published, converted, self.make(count, deviation=0.3, mean=1.0))

    def put_network(self, block, published, converted, inner, tail):
        for name in ("gate", "up", "down"):
            shape = (HIDDEN, inner) if name == "down" else (inner, HIDDEN)
            self.put_in(block, f"{published}.{name}_proj.weight", f"ffn_{name}{tail}.weight",
                        self.make(*shape))

    def put_ends(self):
        self.put("model.embed_tokens.weight", "token_embd.weight",
                 self.make(VOCABULARY, HIDDEN, deviation=1.0))
        self.put("model.norm.weight", "output_norm.weight",
                 self.make(HIDDEN, deviation=0.3, mean=1.0))
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
               if isinstance(value, float) else writer.add_uint32)
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
    if not model.published:
        return target
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


if __name__ == "__main__":
    make_mimo(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
