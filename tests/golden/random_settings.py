#!/usr/bin/env python3
"""Tiny models of whole.py's families with random settings, and what vkmoe makes of them beside
Hugging Face transformers. To be run by hand; nothing of it is in the tree.

    python3 tests/golden/random_settings.py write FOLDER SEED COUNT [FAMILY...]
    python3 tests/golden/random_settings.py compare FOLDER VKMOE

`write` needs what whole.py needs, and leaves out what transformers cannot run. Half of the
configs say what RoPE is as files did before transformers 5. `compare` needs numpy alone: a line
for each model that is refused or differs, then how many there were of each.
"""
import collections
import json
import pathlib
import random
import subprocess
import sys

import numpy

TOKENS, TOLERANCE = 40, 2e-4  # of the logits' rms
# A setting is changed where the family's class has it.
CHOICES = {
    "attention_bias": [True, False], "clip_qkv": [None, 0.5, 2.0], "decoder_sparse_step": [1, 2, 3],
    "embedding_multiplier": [1.0, 6.0], "attention_multiplier": [0.1, 0.5],
    "final_logit_softcapping": [None, 1.5], "first_k_dense_replace": [0, 1, 2],
    "hidden_act": ["silu", "silu", "gelu", "gelu_pytorch_tanh", "relu"],
    "layer_norm_eps": [1e-5, 1e-3], "lm_head_bias": [True, False], "logit_scale": [1.0, 0.1],
    "logits_scaling": [1.0, 4.0], "max_window_layers": [0, 1, 2, 28],
    "mlp_only_layers": [[], [0], [1]], "moe_intermediate_size": [8, 12, 20],
    "moe_num_experts": [4, 8], "moe_num_shared_experts": [1, 2, 3], "mup_enabled": [True, False],
    "n_routed_experts": [4, 8, 12], "n_shared_experts": [1, 2, 3], "norm_topk_prob": [True, False],
    "num_experts": [4, 6, 8, 12], "num_experts_per_tok": [1, 2, 3],
    "num_key_value_heads": [1, 2, 4], "num_local_experts": [4, 6, 8],
    "num_shared_experts": [1, 2], "q_lora_rank": [None, 8, 12], "qkv_bias": [True, False],
    "residual_multiplier": [1.0, 0.5], "rms_norm_eps": [1e-6, 1e-5, 1e-3],
    "rope_interleave": [True, False], "routed_scaling_factor": [0.5, 1.0, 2.5],
    "shared_expert_intermediate_size": [8, 20], "shared_intermediate_size": [0, 8, 20],
    "sliding_window": [4, 9, 100], "tie_word_embeddings": [True, False],
    "use_qk_norm": [True, False], "use_sliding_window": [True, False], "v_head_dim": [6, 8, 12]}
# What transformers 5.12.1 has otherwise than the code that models were published with.
LEFT_ALONE = {"deepseek_v2": ["norm_topk_prob"]}
OTHERS = {"dbrx", "switch_transformers"}  # whose settings have other names


def choose_rope(rng, head, part):
    """rope_parameters for heads of which a part is turned."""
    pairs = int(head * (part or 1)) // 2
    original = rng.choice([16, 64, 4096])
    kinds = [
        {"rope_type": "default"},
        {"rope_type": "linear", "factor": rng.choice([1.5, 4.0])},
        {"rope_type": "dynamic", "factor": rng.choice([2.0, 3.0])},
        {"rope_type": "yarn", "factor": rng.choice([2.0, 40.0]),
         "original_max_position_embeddings": original},
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": original,
         "beta_fast": rng.choice([16, 32]), "beta_slow": 1, "truncate": rng.choice([True, False])},
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": original,
         "attention_factor": rng.choice([1.0, 1.3])},
        {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
         "high_freq_factor": rng.choice([2.0, 4.0]), "original_max_position_embeddings": 16},
        {"rope_type": "longrope", "factor": 4.0, "original_max_position_embeddings": 16,
         "short_factor": [1 + 0.2 * i for i in range(pairs)],
         "long_factor": [1 + 0.7 * i for i in range(pairs)]}]
    rope = {**rng.choice(kinds), "rope_theta": rng.choice([100.0, 10000.0, 1e6])}
    return {**rope, "partial_rotary_factor": part} if part else rope


def vary(rng, label, settings, default):
    """Some of the settings in another way. `default` is the class's config of those given."""
    settings = json.loads(json.dumps(settings))
    for key, values in CHOICES.items():
        if hasattr(default, key) and key not in LEFT_ALONE.get(label, []) and rng.random() < 0.35:
            settings[key] = rng.choice(values)
    blocks = settings.get("num_hidden_layers", default.num_hidden_layers)
    if getattr(default, "layer_types", None) and rng.random() < 0.4:
        kinds = sorted(set(default.layer_types))
        settings["layer_types"] = [rng.choice(kinds) for _ in range(blocks)]
    rope = settings.get("rope_parameters", {})
    if "full_attention" not in rope and rng.random() < 0.6:
        head = (settings.get("qk_rope_head_dim") or settings.get("head_dim")
                or settings["hidden_size"] // settings["num_attention_heads"])
        settings["rope_parameters"] = choose_rope(rng, head, rope.get("partial_rotary_factor"))
        settings["max_position_embeddings"] = rng.choice([64, 256, 1024])
    return settings


def say_as_before(folder):
    """rope_theta and rope_scaling in the place of rope_parameters, if there is a scaling."""
    config = json.loads((folder / "config.json").read_text())
    rope = config.get("rope_parameters") or {}
    if (rope.get("rope_type", "default") == "default"
            or any(isinstance(value, dict) for value in rope.values())):
        return
    del config["rope_parameters"]
    for key in ("rope_theta", "partial_rotary_factor"):
        if key in rope:
            config[key] = rope.pop(key)
    config["rope_scaling"] = rope
    (folder / "config.json").write_text(json.dumps(config, indent=2))


def write_one(folder, label, settings, rng):
    import torch
    import transformers
    import whole
    family, ending, _ = whole.MODELS[label]
    config = getattr(transformers, f"{family}Config")(**settings)
    config._experts_implementation = config._attn_implementation = "eager"
    model = getattr(transformers, family.removesuffix("Text") + ending)(config).float().eval()
    generator = torch.Generator().manual_seed(rng.randrange(1 << 30))
    places = set()
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() in places or not tensor.is_floating_point():
            continue
        places.add(tensor.data_ptr())
        mean, deviation = whole.distribution(f"{label}/{name}", tensor.shape)
        tensor.copy_(mean + deviation * torch.randn(tensor.shape, generator=generator))
    ids = torch.randint(0, whole.VOCABULARY, (1, TOKENS), generator=generator)
    logits = model(input_ids=ids).logits[0]
    model.save_pretrained(folder)
    if rng.random() < 0.5:
        say_as_before(folder)
    numpy.save(folder / "ids.npy", ids[0].numpy().astype("<i4"))
    numpy.save(folder / "logits.npy", logits.numpy().astype("<f4"))


def write(out, seed, count, wanted):
    import torch
    import transformers
    import whole
    rng = random.Random(seed)
    labels = [label for label in whole.MODELS
              if label not in OTHERS and (not wanted or label in wanted)]
    for i in range(count):
        label = rng.choice(labels)
        family, _, settings = whole.MODELS[label]
        default = getattr(transformers, f"{family}Config")(**settings)
        with torch.no_grad():
            try:
                write_one(out / f"{label}-{seed}-{i}", label, vary(rng, label, settings, default),
                          rng)
            except Exception as error:  # of any class: transformers checks little
                print(f"{label}-{seed}-{i}: {type(error).__name__}", str(error)[:100])


def compare(out, program):
    counts = collections.Counter()
    for folder in sorted(path.parent for path in out.glob("*/logits.npy")):
        result = subprocess.run(
            [program, "logits", folder, "--tokens", folder / "ids.npy", "--output", "-",
             "--no-tuning"], capture_output=True)
        if result.returncode:
            counts["refused"] += 1
            print(f"{folder.name}:", result.stderr.decode().strip().splitlines()[-1])
            continue
        expected = numpy.load(folder / "logits.npy").astype(float)
        logits = numpy.frombuffer(result.stdout[-expected.size * 4:], "<f4").astype(float)
        error = abs(logits - expected.ravel()).max() / numpy.sqrt((expected**2).mean())
        counts["the same" if error < TOLERANCE else "DIFFERENT"] += 1
        if not error < TOLERANCE:
            print(f"{folder.name}: differs by {error:.2g} of the rms")
    print(*(f"{count} {name}" for name, count in counts.items()), sep=", ")


if __name__ == "__main__":
    command, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    if command == "write":
        write(folder, int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
    else:
        compare(folder, sys.argv[3])
