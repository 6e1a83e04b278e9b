#!/usr/bin/env python3
"""Writes whole/smallthinker, whole/arctic, and ../gguf/arctic-f32, smallthinker-f32 and
smallthinker-plain-f32: tiny models of random weights whose classes transformers does not have, and
their logits.

    python3 tests/golden/early.py

The logits are computed here, in double precision, by what docs/semantics.md says of the models.
libllama (0.7.0) makes the same of the GGUF files. Needed: numpy, gguf, safetensors and what hf.py
needs (Debian sid: python3-numpy, python3-gguf, python3-safetensors). Files are as in whole.py.
"""
import json
import pathlib

import gguf
import numpy
import safetensors.numpy

from hf import Rng

TOKENS, VOCABULARY, HIDDEN, HEADS, KV_HEADS, SIZE, EXPERTS, CHOSEN = 40, 40, 32, 4, 2, 8, 4, 2
HERE = pathlib.Path(__file__).parent
SIZES = {"vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS, "bos_token_id": None, "eos_token_id": 1,
    "max_position_embeddings": 256, "torch_dtype": "float32"}
SMALLTHINKER = {**SIZES, "architectures": ["SmallThinkerForCausalLM"],
    "model_type": "smallthinker", "head_dim": SIZE, "rms_norm_eps": 1e-6, "rope_theta": 500.0,
    "moe_ffn_hidden_size": 8, "moe_num_primary_experts": EXPERTS,
    "moe_num_active_primary_experts": CHOSEN, "rope_scaling": None, "tie_word_embeddings": True}
MODELS = {
    # RoPE and windows do not go together.
    "smallthinker": {**SMALLTHINKER, "num_hidden_layers": 3, "rope_layout": [1, 0, 1],
        "sliding_window_layout": [1, 0, 0], "sliding_window_size": 6,
        "moe_primary_router_apply_softmax": False},
    # As GGUF has them; libllama knows no other window than this one.
    "smallthinker-f32": {**SMALLTHINKER, "num_hidden_layers": 5, "rope_layout": [0, 1, 1, 1, 0],
        "sliding_window_layout": [0, 1, 1, 1, 0], "sliding_window_size": 4096,
        "moe_primary_router_apply_softmax": True},
    # One that has no window.
    "smallthinker-plain-f32": {**SMALLTHINKER, "num_hidden_layers": 2, "rope_layout": [1, 1],
        "sliding_window_layout": [0, 0], "moe_primary_router_apply_softmax": False},
    "arctic": {**SIZES, "architectures": ["ArcticForCausalLM"], "model_type": "arctic",
        "intermediate_size": 12, "num_hidden_layers": 2, "num_local_experts": EXPERTS,
        "num_experts_per_tok": CHOSEN, "moe_layer_frequency": 1, "parallel_attn_mlp_res": True,
        "use_residual": True, "rms_norm_eps": 1e-5, "rope_theta": 500.0,
        "tie_word_embeddings": False},
}
# Of a block, as published and as in GGUF files.
NAMES = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output"}
NAMES_OF = {
    "smallthinker": {**NAMES, "post_attention_layernorm": "ffn_norm",
        "block_sparse_moe.primary_router": "ffn_gate_inp"},
    "arctic": {**NAMES, "residual_layernorm": "ffn_norm",
        "post_attention_layernorm": "ffn_norm_exps", "block_sparse_moe.gate": "ffn_gate_inp",
        "residual_mlp.w1": "ffn_gate", "residual_mlp.w3": "ffn_up", "residual_mlp.w2": "ffn_down"},
}
EXPERT_NAMES = {"smallthinker": ("gate", "up", "down"), "arctic": ("w1", "w3", "w2")}


def make(label, config):
    """Weights by their published names."""
    kind, inner = config["model_type"], config.get("moe_ffn_hidden_size", 12)
    weights = {}

    def add(name, *shape):
        rng = Rng(f"{label}/{name}")
        gain = 2.0 if "router" in name or name.endswith("moe.gate.weight") else 1.5
        mean, deviation = (1.0, 0.3) if len(shape) == 1 else (0.0, gain * shape[-1]**-0.5)
        deviation = 1.0 if "embed" in name else deviation
        values = [mean + deviation * rng.normal() for _ in range(numpy.prod(shape))]
        weights[name] = numpy.array(values, numpy.float32).reshape(shape)

    add("model.embed_tokens.weight", VOCABULARY, HIDDEN)
    add("model.norm.weight", HIDDEN)
    if not config["tie_word_embeddings"]:
        add("lm_head.weight", VOCABULARY, HIDDEN)
    rows = {"q": HEADS * SIZE, "k": KV_HEADS * SIZE, "v": KV_HEADS * SIZE, "o": HIDDEN}
    for b in range(config["num_hidden_layers"]):
        for name in NAMES_OF[kind]:
            full = f"model.layers.{b}.{name}.weight"
            if name.endswith("layernorm"):
                add(full, HIDDEN)
            elif name.startswith("self_attn"):
                add(full, rows[name.split(".")[1][0]], HIDDEN)
            else:
                add(full, EXPERTS if "block_sparse_moe" in name else HIDDEN, HIDDEN)
        for e in range(EXPERTS):
            prefix = f"model.layers.{b}.block_sparse_moe.experts.{e}."
            gate, up, down = EXPERT_NAMES[kind]
            add(f"{prefix}{gate}.weight", inner, HIDDEN)
            add(f"{prefix}{up}.weight", inner, HIDDEN)
            add(f"{prefix}{down}.weight", HIDDEN, inner)
    return weights


def turn(x, base):
    """RoPE of [tokens][heads][size], pairs of a half of the head each."""
    half = SIZE // 2
    angles = numpy.arange(len(x))[:, None] * base ** (-numpy.arange(half) / half)
    cos, sin = numpy.cos(angles)[:, None], numpy.sin(angles)[:, None]
    a, b = x[..., :half], x[..., half:]
    return numpy.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def compute(config, weights, ids):
    kind = config["model_type"]
    w = {name: value.astype(numpy.float64) for name, value in weights.items()}

    def norm(x, name):
        mean = (x**2).mean(-1, keepdims=True)
        return x / numpy.sqrt(mean + config["rms_norm_eps"]) * w[name + ".weight"]

    def attend(x, b):
        base, window = config["rope_theta"], None
        q, k, v = (
            (x @ w[f"model.layers.{b}.self_attn.{n}_proj.weight"].T).reshape(len(x), -1, SIZE)
            for n in "qkv")
        if config.get("rope_layout", [1] * 99)[b]:
            q, k = turn(q, base), turn(k, base)
        if config.get("sliding_window_layout", [0] * 99)[b]:
            window = config["sliding_window_size"]
        k, v = (numpy.repeat(each, HEADS // KV_HEADS, 1) for each in (k, v))
        scores = numpy.einsum("ihd,jhd->hij", q, k) / numpy.sqrt(SIZE)
        i, j = numpy.arange(len(x))[:, None], numpy.arange(len(x))
        seen = (j <= i) & (i - j < (window or len(x)))
        scores = numpy.exp(numpy.where(seen, scores, -numpy.inf))
        values = numpy.einsum("hij,jhd->ihd", scores / scores.sum(-1, keepdims=True), v)
        return values.reshape(len(x), -1) @ w[f"model.layers.{b}.self_attn.o_proj.weight"].T

    def gated(x, prefix, names):
        gate, up, down = (w[f"{prefix}{name}.weight"] for name in names)
        g = x @ gate.T
        g = numpy.maximum(g, 0.0) if kind == "smallthinker" else g / (1.0 + numpy.exp(-g))
        return (g * (x @ up.T)) @ down.T

    def mix(x, seen, b):
        prefix = f"model.layers.{b}.block_sparse_moe."
        router = "gate" if kind == "arctic" else "primary_router"
        logits = seen @ w[f"{prefix}{router}.weight"].T
        order = numpy.argsort(-logits, 1)
        sorted_ = numpy.take_along_axis(logits, order, 1)
        assert (sorted_[:, CHOSEN - 1] - sorted_[:, CHOSEN] > 1e-3).all()
        sigmoid = not config.get("moe_primary_router_apply_softmax", True)
        y = numpy.zeros_like(x)
        for t in range(len(x)):
            chosen = logits[t, order[t, :CHOSEN]]
            factors = 1.0 / (1.0 + numpy.exp(-chosen)) if sigmoid else numpy.exp(chosen)
            for e, factor in zip(order[t], factors / factors.sum()):
                y[t] += factor * gated(x[t], f"{prefix}experts.{e}.", EXPERT_NAMES[kind])
        return y

    x = w["model.embed_tokens.weight"][ids]
    for b in range(config["num_hidden_layers"]):
        block = f"model.layers.{b}."
        attended = x + attend(norm(x, block + "input_layernorm"), b)
        if kind == "smallthinker":
            x = attended + mix(norm(attended, block + "post_attention_layernorm"), x, b)
            continue
        dense = gated(norm(attended, block + "residual_layernorm"), block + "residual_mlp.",
            EXPERT_NAMES[kind])
        x = norm(x, block + "post_attention_layernorm")
        x = attended + dense + mix(x, x, b)
    head = w.get("lm_head.weight", w["model.embed_tokens.weight"])
    return norm(x, "model.norm") @ head.T


def write_gguf(path, config, weights):
    kind, blocks = config["model_type"], config["num_hidden_layers"]
    out = gguf.GGUFWriter(path, kind)
    inner = config.get("moe_ffn_hidden_size", 12)
    out.add_vocab_size(VOCABULARY)
    out.add_block_count(blocks)
    out.add_context_length(256)
    out.add_embedding_length(HIDDEN)
    out.add_feed_forward_length(inner)
    out.add_head_count(HEADS)
    out.add_head_count_kv(KV_HEADS)
    out.add_rope_dimension_count(SIZE)
    out.add_rope_freq_base(config["rope_theta"])
    out.add_layer_norm_rms_eps(config["rms_norm_eps"])
    out.add_expert_count(EXPERTS)
    out.add_expert_used_count(CHOSEN)
    if kind == "smallthinker":
        out.add_expert_feed_forward_length(inner)
        out.add_key_length(SIZE)
        out.add_value_length(SIZE)
        softmax = config["moe_primary_router_apply_softmax"]
        gates = gguf.ExpertGatingFuncType
        out.add_expert_gating_func(gates.SOFTMAX if softmax else gates.SIGMOID)
        if any(config["sliding_window_layout"]):
            out.add_sliding_window(config["sliding_window_size"])
    out.add_tokenizer_model("no_vocab")
    out.add_tensor("token_embd.weight", weights["model.embed_tokens.weight"])
    out.add_tensor("output_norm.weight", weights["model.norm.weight"])
    if "lm_head.weight" in weights:
        out.add_tensor("output.weight", weights["lm_head.weight"])
    for b in range(blocks):
        for published, name in NAMES_OF[kind].items():
            matrix = weights[f"model.layers.{b}.{published}.weight"]
            if kind == "arctic" and name in ("attn_q", "attn_k"):  # to neighbours
                parts = matrix.reshape(-1, 2, SIZE // 2, HIDDEN)
                matrix = numpy.ascontiguousarray(parts.swapaxes(1, 2)).reshape(matrix.shape)
            out.add_tensor(f"blk.{b}.{name}.weight", matrix)
        prefix = f"model.layers.{b}.block_sparse_moe.experts."
        for published, name in zip(EXPERT_NAMES[kind], ("gate", "up", "down")):
            out.add_tensor(f"blk.{b}.ffn_{name}_exps.weight", numpy.stack(
                [weights[f"{prefix}{e}.{published}.weight"] for e in range(EXPERTS)]))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def save_logits(folder, label, config, weights):
    rng = Rng(f"{label}/ids of {TOKENS}")
    ids = numpy.array([rng.next() % VOCABULARY for _ in range(TOKENS)])
    logits = compute(config, weights, ids)
    print(f"{label}: rms {numpy.sqrt((logits**2).mean()):.3g}")
    numpy.save(folder / "ids.npy", ids.astype("<i4"))
    numpy.save(folder / "logits.npy", logits.astype("<f4"))


def write(label):
    config = MODELS[label]
    weights = make(label, config)
    folder = HERE / ("../gguf" if label.endswith("f32") else "whole") / label
    folder.mkdir(parents=True, exist_ok=True)
    save_logits(folder, label, config, weights)
    if label.endswith("f32"):
        write_gguf(folder / "model.gguf", config, weights)
        return
    if label == "arctic":
        other = HERE / "../gguf/arctic-f32"
        other.mkdir(parents=True, exist_ok=True)
        write_gguf(other / "model.gguf", config, weights)
    safetensors.numpy.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    for name in MODELS:
        write(name)
