#!/usr/bin/env python3
"""Writes hf/<model>.h, beside this file: what the MoE block of a model of Hugging Face
transformers makes of weights that tests/golden.c can make too.

    python3 tests/golden/hf.py

They were written with transformers 5.12.1 and torch 2.14.1 (Debian sid: python3-transformers,
python3-torch,
libopenblas0-pthread) on a CPU, in f32, with the eager implementation of the experts. Every
parameter and buffer is
random, the correction biases too, which a new model has at zero and which would hide mistakes.
"""
import importlib
import math
import pathlib

import torch
import transformers

HIDDEN, INNER, SHARED, TOKENS, LATENT = 16, 12, 10, 12, 6
FOLDER = pathlib.Path(__file__).with_name("hf")


class Rng:
    """tests/support/random.h: rng_for(1, name) and rng_normal()."""

    MASK = (1 << 64) - 1

    def __init__(self, name):
        self.state = 1
        for byte in name.encode():
            self.state = self.next() ^ byte

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & self.MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & self.MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & self.MASK
        return z ^ (z >> 31)

    def normal(self):
        total = 0.0
        for _ in range(4):
            total += float(self.next() >> 11) * 2.0**-53
        return (total - 2.0) * 1.7320508075688772


def array(family, name, deviation, *shape):
    rng = Rng(f"{family}/{name}")
    values = [deviation * rng.normal() for _ in range(math.prod(shape))]
    return torch.tensor(values, dtype=torch.float64).float().reshape(shape)


# What a parameter's name in the block means, by its ending: the longest wins.
NAMES = {
    "gate.weight": "router", "router.weight": "router", "router.layer.weight": "router",
        "proj.weight": "router",
    "router.bias": "router bias", "e_score_correction_bias": "correction bias",
        "expert_bias": "correction bias",
    "scale": "input scale", "per_expert_scale": "expert scale", "bias": "output bias",
    "gate_up_proj": "gate up", "input_linear.weight": "gate up", "experts.up_proj": "up",
    "gate_up_proj_bias": "gate up bias", "down_proj": "down", "output_linear.weight": "down",
    "down_proj_bias": "down bias", "shared_expert_gate.weight": "shared token gate",
    "gate_proj.weight": "shared gate", "up_proj.weight": "shared up",
        "down_proj.weight": "shared down",
    "fc1_latent_proj.weight": "latent down", "fc2_latent_proj.weight": "latent up",
}


def fill(block, family, experts, gain):
    """Sets every parameter. The names of arrays, their deviations and shapes are those of
    tests/golden.c."""
    transposed = family in ("gpt_oss", "llama4")
    for full_name, tensor in block.state_dict().items():
        name = NAMES[max((n for n in NAMES if full_name == n or full_name.endswith("." + n)),
            key=len)]
        e, d, f = experts, LATENT if family == "nemotron_h_latent" else HIDDEN, INNER
        s = tensor.shape[1] if name == "shared down" else tensor.shape[0]
        if name in ("gate up", "up"):
            up = array(family, "up", gain, e, f, d)
            value = up if name == "up" else torch.cat([array(family, "gate", gain, e, f, d), up],
                dim=1)
            if family == "gpt_oss":  # rows of gate and up take turns
                value = torch.stack([array(family, "gate", gain, e, f, d), up], dim=2).reshape(e,
                    2 * f, d)
            value = value.transpose(1, 2) if transposed else value
        elif name == "down":
            value = array(family, "down", 0.25, e, d, f)
            value = value.transpose(1, 2) if transposed else value
        elif name == "gate up bias":
            both = [array(family, "gate bias", 0.25, e, f), array(family, "up bias", 0.25, e, f)]
            value = torch.stack(both, dim=2).reshape(e, 2 * f)
        elif name == "shared down":
            value = array(family, name, 0.25, HIDDEN, s)
        elif name in ("shared gate", "shared up"):
            value = array(family, name, gain, s, HIDDEN)
        else:
            value = array(family, name, 0.5 if name == "router" else 0.25, *tensor.shape)
        assert value.shape == tensor.shape, (family, full_name, value.shape, tensor.shape)
        tensor.copy_(value)


class Gemma4(torch.nn.Module):
    """The router sees another vector than the experts."""

    def __init__(self, config):
        super().__init__()
        module = importlib.import_module("transformers.models.gemma4.modeling_gemma4")
        self.router, self.experts = module.Gemma4TextRouter(config), module.Gemma4TextExperts(
            config)

    def forward(self, x):
        x = x.reshape(-1, HIDDEN)
        _, weights, ids = self.router(array("gemma4", "router x", 1.0, TOKENS, HIDDEN))
        return self.experts(x, ids, weights)


def run(family, model, block_name, config_name, experts, config, gain=0.25, arguments=()):
    module = importlib.import_module(f"transformers.models.{model}.modeling_{model}")
    config_module = importlib.import_module(f"transformers.models.{model}.configuration_{model}")
    config = getattr(config_module, config_name)(hidden_size=HIDDEN, **config)
    config._experts_implementation = "eager"
    block = Gemma4(config) if family == "gemma4" else getattr(module, block_name)(config,
        *arguments)
    block.eval()
    with torch.no_grad():
        fill(block, family, experts, gain)
        y = block(array(family, "x", 1.0, TOKENS, HIDDEN).reshape(1, TOKENS, HIDDEN))
    y = (y[0] if isinstance(y, tuple) else y).reshape(TOKENS * HIDDEN)
    with open(FOLDER / f"{family}.h", "w") as out:
        print(f"// {family}.h - written by hf.py with transformers {transformers.__version__}, "
              f"torch {torch.__version__.split('+')[0]}; f32 [tokens][hidden].\n", file=out)
        print(f"static const float golden_{family}[] = {{", file=out)
        for i in range(0, len(y), 5):
            print("    " + " ".join(f"{v:.8e}f," for v in y[i:i + 5].tolist()), file=out)
        print("};", file=out)


def write():
    moe, local = {"moe_intermediate_size": INNER}, {"intermediate_size": INNER,
        "num_local_experts": 8}
    run("mixtral", "mixtral", "MixtralSparseMoeBlock", "MixtralConfig", 8, {**local,
        "num_experts_per_tok": 2})
    run("qwen2_moe", "qwen2_moe", "Qwen2MoeSparseMoeBlock", "Qwen2MoeConfig", 8,
        {**moe, "num_experts": 8, "num_experts_per_tok": 4,
            "shared_expert_intermediate_size": SHARED,
         "norm_topk_prob": False})
    run("qwen3_moe", "qwen3_moe", "Qwen3MoeSparseMoeBlock", "Qwen3MoeConfig", 8,
        {**moe, "num_experts": 8, "num_experts_per_tok": 4, "norm_topk_prob": True})
    run("deepseek_v3", "deepseek_v3", "DeepseekV3MoE", "DeepseekV3Config", 16,
        {**moe, "n_routed_experts": 16, "num_experts_per_tok": 3, "n_group": 4, "topk_group": 2,
            "n_shared_experts": 1,
         "routed_scaling_factor": 2.5, "norm_topk_prob": True})
    run("deepseek_v4", "deepseek_v4", "DeepseekV4SparseMoeBlock", "DeepseekV4Config", 8,
        {**moe, "n_routed_experts": 8, "num_experts_per_tok": 3, "n_shared_experts": 1,
            "swiglu_limit": 4.0,
         "routed_scaling_factor": 1.5}, gain=1.0, arguments=(3,))
    run("gpt_oss", "gpt_oss", "GptOssMLP", "GptOssConfig", 8, {**local,
        "num_experts_per_tok": 3}, gain=2.0)
    run("phimoe", "phimoe", "PhimoeSparseMoeBlock", "PhimoeConfig", 8,
        {**local, "num_experts_per_tok": 2, "router_jitter_noise": 0.1})
    run("llama4", "llama4", "Llama4TextMoe", "Llama4TextConfig", 8, {**local,
        "num_experts_per_tok": 1})
    run("granitemoe", "granitemoe", "GraniteMoeMoE", "GraniteMoeConfig", 8, {**local,
        "num_experts_per_tok": 3})
    run("jetmoe", "jetmoe", "JetMoeMoE", "JetMoeConfig", 8,
        {**local, "num_experts_per_tok": 2, "activation_function": "silu"})
    run("gemma4", "gemma4", None, "Gemma4TextConfig", 8, {**moe, "num_experts": 8,
        "top_k_experts": 3})
    run("lfm2_moe", "lfm2_moe", "Lfm2MoeSparseMoeBlock", "Lfm2MoeConfig", 8,
        {**moe, "num_experts": 8, "num_experts_per_tok": 3, "use_expert_bias": True,
            "norm_topk_prob": True,
         "routed_scaling_factor": 1.0})
    for name, more in ("nemotron_h", {}), ("nemotron_h_latent", {"moe_latent_size": LATENT}):
        run(name, "nemotron_h", "NemotronHMoE", "NemotronHConfig", 8,
            {**moe, **more, "n_routed_experts": 8, "num_experts_per_tok": 3,
                "moe_shared_expert_intermediate_size": SHARED,
             "n_group": 1, "topk_group": 1, "routed_scaling_factor": 2.5, "norm_topk_prob": True})
    run("ernie4_5_moe", "ernie4_5_moe", "Ernie4_5_MoeSparseMoeBlock", "Ernie4_5_MoeConfig", 8,
        {**moe, "moe_num_experts": 8, "moe_k": 3, "moe_num_shared_experts": 1})
    run("minimax_m2", "minimax_m2", "MiniMaxM2SparseMoeBlock", "MiniMaxM2Config", 8,
        {**local, "num_experts_per_tok": 3})


if __name__ == "__main__":
    write()
