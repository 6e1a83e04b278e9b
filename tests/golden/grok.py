#!/usr/bin/env python3
"""Writes whole/grok, and grok-f32 and grok1-f32 of tests/gguf: tiny random models and their logits.

Transformers has no class for Grok. What is here is written from descriptions, in double precision:
Grok-2 as published, and a file of Grok-1's shape that leaves out what it may, with YaRN. With
--compare PROGRAM it says how far libllama is away: PROGRAM FILE OUTPUT ID... writes f32 logits.

Needs numpy, safetensors and gguf.
"""
import argparse
import json
import math
import pathlib
import subprocess
import tempfile

import gguf
import numpy as np
import safetensors.numpy

HIDDEN, HEADS, KV_HEADS, EXPERTS, CHOSEN, BLOCKS, VOCABULARY = 32, 4, 2, 5, 2, 2, 51
INNER, DENSE, HEAD, EPSILON = 16, 24, 8, 1e-5
IDS = np.array([3, 17, 50, 0, 9, 22, 31, 3, 17, 44, 8, 8, 1, 29, 40, 12, 5, 33, 26, 47, 19, 2, 38,
    11], np.int32)
GROK_1 = {"embedding_scale": 78.38367176906169, "logit_scale": 0.5773502691896257,
    "output_scale": 0.08838834764831845, "attention_cap": 30.0}
GROK_2 = {"embedding_scale": 40.0, "logit_scale": 0.5, "output_scale": HEAD ** -0.5,
    "attention_cap": 4.0, "router_cap": 3.0, "final_cap": 5.0, "base": 5000.0}
YARN = {"factor": 8.0, "original": 512, "beta_fast": 8.0, "beta_slow": 1.0}
MATRICES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_gate_inp": "block_sparse_moe.gate", "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "attn_norm": "pre_attn_norm",
    "attn_output_norm": "post_attn_norm", "ffn_norm": "pre_moe_norm",
    "post_ffw_norm": "post_moe_norm"}
STACKS = {"ffn_gate_exps": "w1", "ffn_up_exps": "w3", "ffn_down_exps": "w2"}
ENDS = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def make(seed, beside):
    """Weights by GGUF's names. What attention and experts give is small: epsilon is felt."""
    random = np.random.default_rng(seed)

    def normal(deviation, *shape):
        return (random.standard_normal(shape) * deviation).astype(np.float32)

    def norm():
        return 1 + normal(0.2, HIDDEN)

    weights = {"token_embd": normal(0.02, VOCABULARY, HIDDEN), "output_norm": norm(),
        "output": normal(0.35, VOCABULARY, HIDDEN)}
    for block in range(BLOCKS):
        own = {"attn_norm": norm(), "attn_output_norm": norm(), "ffn_norm": norm(),
            "post_ffw_norm" if beside else "layer_output_norm": norm(),
            "attn_q": normal(0.5, HIDDEN, HIDDEN), "attn_output": normal(0.02, HIDDEN, HIDDEN),
            "attn_k": normal(0.5, KV_HEADS * HEAD, HIDDEN),
            "attn_v": normal(0.3, KV_HEADS * HEAD, HIDDEN),
            "ffn_gate_inp": normal(1.5, EXPERTS, HIDDEN),
            "ffn_gate_exps": normal(0.35, EXPERTS, INNER, HIDDEN),
            "ffn_up_exps": normal(0.3, EXPERTS, INNER, HIDDEN),
            "ffn_down_exps": normal(0.004, EXPERTS, HIDDEN, INNER)}
        if beside:
            own |= {"ffn_gate": normal(0.35, DENSE, HIDDEN), "ffn_up": normal(0.3, DENSE, HIDDEN),
                "ffn_down": normal(0.004, HIDDEN, DENSE)}
        weights |= {f"blk.{block}.{name}": values for name, values in own.items()}
    return weights


# ------------------------------------------------------------------------ the model

def rms_norm(x, weight):
    return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + EPSILON) * weight


def cap(x, limit):
    return limit * np.tanh(x / limit) if limit else x


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x * x)))


def table_gelu(x):
    """As ggml's CPU has it: a table of halves."""
    halves = gelu(x.astype(np.float16).astype(float)).astype(np.float16).astype(float)
    return np.where(x <= -10, 0, np.where(x >= 10, x, halves))


def rotate(x, base, yarn):
    """Pairs of [tokens][heads][HEAD], of which the second half of a head has the second."""
    pairs = HEAD // 2
    angles, growth = base ** (-2.0 * np.arange(pairs) / HEAD), 1.0
    if yarn:
        def corrected(turns):
            return HEAD * math.log(yarn["original"] / (turns * 2 * math.pi)) / (2 * math.log(base))
        low = max(0, math.floor(corrected(yarn["beta_fast"])))
        high = min(HEAD - 1, math.ceil(corrected(yarn["beta_slow"])))
        ramp = np.clip((np.arange(pairs) - low) / max(0.001, high - low), 0, 1)
        angles = angles * (1 - ramp) + angles / yarn["factor"] * ramp
        growth = 1 + 0.1 * math.log(yarn["factor"])
    turned = np.arange(len(x))[:, None, None] * angles
    a, b = x[..., :pairs], x[..., pairs:]
    return growth * np.concatenate([a * np.cos(turned) - b * np.sin(turned),
        b * np.cos(turned) + a * np.sin(turned)], -1)


def attend(x, own, c):
    def heads(name, count, turned):
        values = (x @ own(name).T).reshape(len(x), count, HEAD)
        return rotate(values, c.get("base", 1e4), c.get("yarn")) if turned else values

    queries, keys = heads("attn_q", HEADS, True), heads("attn_k", KV_HEADS, True)
    values, result = heads("attn_v", KV_HEADS, False), np.zeros((len(x), HEADS, HEAD))
    for head in range(HEADS):
        shared = head * KV_HEADS // HEADS
        scores = cap(queries[:, head] @ keys[:, shared].T * c["output_scale"], c["attention_cap"])
        scores[np.triu_indices(len(x), 1)] = -np.inf
        result[:, head] = softmax(scores) @ values[:, shared]
    return result.reshape(len(x), -1) @ own("attn_output").T


def feed(x, own, c):
    act = table_gelu if c.get("table") else gelu
    chances = softmax(cap(x @ own("ffn_gate_inp").T, c.get("router_cap")))
    result = np.zeros_like(x)
    for row, chance, to in zip(x, chances, result):
        chosen = np.argsort(-chance, kind="stable")[:CHOSEN]
        parts = chance[chosen] / (chance[chosen].sum() if c.get("normed") else 1)
        for e, part in zip(chosen, parts):
            gated = act(own("ffn_gate_exps")[e] @ row) * (own("ffn_up_exps")[e] @ row)
            to += part * (own("ffn_down_exps")[e] @ gated)
    if own("ffn_up") is not None:
        dense = (act(x @ own("ffn_gate").T) * (x @ own("ffn_up").T)) @ own("ffn_down").T
        result = (result + dense) / math.sqrt(2)
    return result


def run(weights, c):
    weights = {name: values.astype(float) for name, values in weights.items()}
    x = weights["token_embd"][IDS] * c["embedding_scale"]
    for block in range(BLOCKS):
        def own(name, prefix=f"blk.{block}."):
            return weights.get(prefix + name)
        last = own("layer_output_norm")
        last = own("post_ffw_norm") if last is None else last
        attended = attend(rms_norm(x, own("attn_norm")), own, c)
        x = x + rms_norm(attended, own("attn_output_norm"))
        x = x + rms_norm(feed(rms_norm(x, own("ffn_norm")), own, c), last)
    logits = rms_norm(x, weights["output_norm"]) @ weights["output"].T * c["logit_scale"]
    return cap(logits, c.get("final_cap"))


# ---------------------------------------------------------------------------- files

def save(folder, logits):
    np.save(folder / "ids.npy", IDS)
    np.save(folder / "logits.npy", logits.astype(np.float32))


def write_published(folder, weights, c):
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"{name}.weight": weights[own] for own, name in ENDS.items()}
    for block in range(BLOCKS):
        prefix = f"model.layers.{block}."
        tensors |= {f"{prefix}{name}.weight": weights[f"blk.{block}.{own}"]
            for own, name in MATRICES.items()}
        tensors |= {f"{prefix}block_sparse_moe.experts.{e}.{name}.weight":
            weights[f"blk.{block}.{own}"][e] for own, name in STACKS.items()
            for e in range(EXPERTS)}
    config = {"architectures": ["Grok1ForCausalLM"], "model_type": "git", "residual_moe": True,
        "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "intermediate_size": DENSE,
        "moe_intermediate_size": INNER, "num_hidden_layers": BLOCKS, "head_dim": HEAD,
        "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
        "num_local_experts": EXPERTS, "num_experts_per_tok": CHOSEN, "rms_norm_eps": EPSILON,
        "max_position_embeddings": 131072, "attn_temperature_len": 1024, "rope_theta": c["base"],
        "rope_type": "original", "original_max_position_embeddings": 8192,
        "scaling_factor": 16.0, "extrapolation_factor": 1.0, "attn_factor": 1.0, "beta_fast": 8,
        "beta_slow": 1, "sliding_window_size": -1, "global_attn_every_n": 1,
        "embedding_multiplier_scale": c["embedding_scale"],
        "output_multiplier_scale": c["logit_scale"], "attn_logit_softcapping": c["attention_cap"],
        "router_logit_softcapping": c["router_cap"], "final_logit_softcapping": c["final_cap"],
        "torch_dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    safetensors.numpy.save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def write_gguf(path, weights, keys):
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, "grok")
    beside = "blk.0.ffn_up" in weights
    keys = {"block_count": BLOCKS, "context_length": 4096, "embedding_length": HIDDEN,
        "feed_forward_length": DENSE if beside else INNER, "expert_count": EXPERTS,
        "expert_used_count": CHOSEN, "attention.head_count": HEADS,
        "attention.head_count_kv": KV_HEADS, "attention.layer_norm_rms_epsilon": EPSILON} | keys
    adders = {str: writer.add_string, bool: writer.add_bool, int: writer.add_uint32,
        float: writer.add_float32}
    for key, value in keys.items():
        adders[type(value)](f"grok.{key}", value)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([f"t{i}" for i in range(VOCABULARY)])
    writer.add_token_types([1] * VOCABULARY)
    writer.add_token_merges(["t 0"])
    writer.add_eos_token_id(2)
    for name, values in weights.items():
        writer.add_tensor(f"{name}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def compare(program, name, path, weights, c):
    """Libllama 0.7.0 caps no router's logits, and divides weights by their sum."""
    with tempfile.NamedTemporaryFile() as output:
        ids = [str(i) for i in IDS]
        subprocess.run([program, path, output.name, *ids], check=True, capture_output=True)
        given = np.fromfile(output.name, np.float32).reshape(len(IDS), -1)
    own = run(weights, c | {"router_cap": None, "normed": True, "table": True})
    rms = np.sqrt(np.mean(own * own))
    print(f"{name}: libllama is {np.abs(given - own).max() / rms:.2g} of rms away")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compare")
    program = parser.parse_args().compare
    golden = pathlib.Path(__file__).resolve().parent
    files, whole = golden.parent / "gguf", golden / "whole" / "grok"
    weights, path = make(7, True), files / "grok-f32" / "model.gguf"
    write_published(whole, weights, GROK_2)
    save(whole, run(weights, GROK_2))
    write_gguf(path, weights, {"expert_feed_forward_length": INNER,
        "embedding_scale": GROK_2["embedding_scale"], "logit_scale": GROK_2["logit_scale"],
        "attention.output_scale": GROK_2["output_scale"], "rope.freq_base": GROK_2["base"],
        "attn_logit_softcapping": GROK_2["attention_cap"],
        "router_logit_softcapping": GROK_2["router_cap"],
        "final_logit_softcapping": GROK_2["final_cap"], "attention.temperature_length": 1024})
    if program:
        compare(program, "grok-f32", path, weights, GROK_2)
    weights, path = make(8, False), files / "grok1-f32" / "model.gguf"
    first = GROK_1 | {"base": 100.0, "yarn": YARN, "normed": True}
    write_gguf(path, weights, {"rope.freq_base": first["base"], "rope.scaling.type": "yarn",
        "rope.scaling.factor": YARN["factor"], "expert_weights_norm": True,
        "rope.scaling.original_context_length": YARN["original"],
        "rope.scaling.yarn_ext_factor": 1.0, "rope.scaling.yarn_attn_factor": 1.0})
    save(path.parent, run(weights, first))
    if program:
        compare(program, "grok1-f32", path, weights, first)


if __name__ == "__main__":
    main()
