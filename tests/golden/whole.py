#!/usr/bin/env python3
"""Writes whole/, beside this file: tiny models of Hugging Face transformers, and the logits that it
makes with them.

    python3 tests/golden/whole.py

whole/ was written with transformers 5.12.1 and torch 2.14.1 (Debian sid: python3-transformers,
python3-torch,
python3-safetensors, libopenblas0-pthread) on a CPU, in f32, with the eager implementations of
attention and experts.
Every parameter is random, norms, biases and sinks too, which a new model has at one or zero and
which would hide
mistakes. config.json and model.safetensors are what save_pretrained() writes: a layout that is
published today.

    ids.npy         i32 [tokens]: the text; of an encoder-decoder what the encoder reads
    decoder_ids.npy i32 [tokens]: what its decoder reads
    logits.npy      f32 [tokens][vocabulary]: of the whole text at once
    steps.npy       the same of one token after another, where that is another function (dynamic
    RoPE)
"""
import functools
import json
import pathlib
import shutil

import numpy
import torch
import transformers

from hf import Rng

TOKENS, DECODER_TOKENS, VOCABULARY, LARGEST = 40, 24, 40, 150_000
ENDS = {"vocab_size": VOCABULARY, "bos_token_id": None, "eos_token_id": 1, "pad_token_id": None}
HEADS = {"hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2}
# With dynamic RoPE the class fails without a head_dim.
MIXTRAL = {**ENDS, **HEADS, "head_dim": 8, "intermediate_size": 16, "num_hidden_layers": 2,
    "num_local_experts": 4,
           "num_experts_per_tok": 2}

DENSE_FIRST = {**HEADS, "intermediate_size": 12, "moe_intermediate_size": 8,
    "num_hidden_layers": 2, "first_k_dense_replace": 1, "n_routed_experts": 8,
    "num_experts_per_tok": 3, "n_shared_experts": 1, "max_position_embeddings": 256}
LATENT = {**DENSE_FIRST, "num_key_value_heads": 4, "kv_lora_rank": 16, "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4, "v_head_dim": 6}
GRANITE = {"attention_multiplier": 0.3, "embedding_multiplier": 3.0, "residual_multiplier": 0.3,
    "logits_scaling": 2.0}
PARALLEL = {"head_dim": 8, "intermediate_size": 8, "num_experts": 4, "num_experts_per_tok": 2,
    "sliding_window": 6, "logit_scale": 0.25, "max_position_embeddings": 256}

# Windows, trained contexts and distances are shorter than the text, or nothing would show.
MODELS = {
    # Dense and sparse blocks in both stacks; the last bucket is for distances of 16 and more.
    "switch_transformers": ("SwitchTransformers", "ForConditionalGeneration", {
        **ENDS, "pad_token_id": 0, "decoder_start_token_id": 0, "d_model": 32, "d_kv": 8,
            "d_ff": 20, "num_heads": 3,
        "num_layers": 2, "num_decoder_layers": 2, "encoder_sparse_step": 2,
            "decoder_sparse_step": 2, "num_experts": 3,
        "expert_capacity": 2, "relative_attention_num_buckets": 8,
            "relative_attention_max_distance": 16}),
    # The second block is dense; heads are not hidden_size / num_attention_heads wide.
    "qwen3_moe": ("Qwen3Moe", "ForCausalLM", {
        **ENDS, **HEADS, "head_dim": 10, "attention_bias": True, "num_hidden_layers": 3,
            "mlp_only_layers": [1],
        "intermediate_size": 28, "moe_intermediate_size": 12, "num_experts": 5,
            "num_experts_per_tok": 3,
        "norm_topk_prob": True}),
    # A clip that is felt.
    "olmoe": ("Olmoe", "ForCausalLM", {
        **ENDS, **HEADS, "intermediate_size": 16, "num_hidden_layers": 2, "num_experts": 6,
            "num_experts_per_tok": 3,
        "norm_topk_prob": False, "clip_qkv": 1.0}),
    # Likewise, with norms without biases.
    "dbrx": ("Dbrx", "ForCausalLM", {
        **ENDS, "d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": 256,
        "attn_config": {"clip_qkv": 1.0, "kv_n_heads": 2, "rope_theta": 500.0},
        "ffn_config": {"hidden_size": 32, "ffn_hidden_size": 20, "moe_num_experts": 6,
                       "moe_top_k": 3},
        "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}),
    "flex_olmo": ("FlexOlmo", "ForCausalLM", {
        **ENDS, **HEADS, "intermediate_size": 16, "num_hidden_layers": 2, "num_experts": 6,
        "num_experts_per_tok": 3, "max_position_embeddings": 256}),
    # The first block is dense, sees everything and has RoPE; of the others only the last sees
    # everything, and has none. Shared experts are averaged with the others.
    "cohere2_moe": ("Cohere2Moe", "ForCausalLM", {
        **ENDS, **HEADS, **PARALLEL, "num_hidden_layers": 4, "first_k_dense_replace": 1,
        "prefix_dense_intermediate_size": 12, "sliding_window_pattern": 3,
        "num_shared_experts": 2, "expert_selection_fn": "sigmoid", "attention_bias": True}),
    # RMS norms, which other blocks fold into the products after them.
    "cohere2_moe-rms": ("Cohere2Moe", "ForCausalLM", {
        **ENDS, **HEADS, **PARALLEL, "num_hidden_layers": 3, "sliding_window_pattern": 2,
        "rms_norm_eps": 1e-6, "num_shared_experts": 1, "tie_word_embeddings": False,
        "shared_expert_combination_strategy": "sum"}),
    # YaRN does not mind a short text; its range of correction lies between the pairs of a head.
    "gpt_oss": ("GptOss", "ForCausalLM", {
        **ENDS, **HEADS, "head_dim": 16, "intermediate_size": 16, "num_hidden_layers": 3,
            "num_local_experts": 4,
        "num_experts_per_tok": 2, "sliding_window": 6, "max_position_embeddings": 1024,
        "rope_parameters": {"rope_type": "yarn", "rope_theta": 150000.0, "factor": 4.0,
            "beta_fast": 32.0,
                            "beta_slow": 1.0, "original_max_position_embeddings": 256,
                                "truncate": False}}),
    "mixtral-dynamic": ("Mixtral", "ForCausalLM", {
        **MIXTRAL, "max_position_embeddings": 16,
        "rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 3.0}}),
    "mixtral-llama3": ("Mixtral", "ForCausalLM", {
        **MIXTRAL, "sliding_window": 9, "max_position_embeddings": 64,
        "rope_parameters": {"rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0,
            "low_freq_factor": 1.0,
                            "high_freq_factor": 4.0, "original_max_position_embeddings": 16}}),
    # Dense and sparse blocks in turns, the last one without RoPE; llama3 without a part between the
    # low frequencies and the high ones, as Scout was published.
    "llama4": ("Llama4Text", "ForCausalLM", {
        **ENDS, **HEADS, "head_dim": 10, "intermediate_size": 12, "intermediate_size_mlp": 20,
        "num_hidden_layers": 4, "interleave_moe_layer_step": 2, "num_local_experts": 4,
        "num_experts_per_tok": 1, "attention_chunk_size": 7, "floor_scale": 5, "attn_scale": 0.4,
        "max_position_embeddings": 256,
        "rope_parameters": {"rope_type": "llama3", "rope_theta": 500.0, "factor": 16.0,
                            "low_freq_factor": 1.0, "high_freq_factor": 1.0,
                            "original_max_position_embeddings": 16}}),
    # Blocks with a window and one without, which turns half of its pairs; a cap that is felt.
    "gemma4": ("Gemma4Text", "ForCausalLM", {
        **ENDS, "hidden_size": 24, "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": 8, "global_head_dim": 12, "num_global_key_value_heads": 1,
        "attention_k_eq_v": True, "num_hidden_layers": 3, "intermediate_size": 16,
        "enable_moe_block": True, "moe_intermediate_size": 8, "num_experts": 5,
        "top_k_experts": 2, "hidden_size_per_layer_input": 0, "sliding_window": 6,
        "final_logit_softcapping": 2.0, "max_position_embeddings": 256,
        "layer_types": ["sliding_attention", "full_attention", "full_attention"],
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
            "full_attention": {"rope_type": "proportional", "rope_theta": 1000.0,
                               "partial_rotary_factor": 0.5}}}),
    # One block dense, the last one without a window or RoPE, embeddings that are multiplied.
    "afmoe": ("Afmoe", "ForCausalLM", {
        **ENDS, **HEADS, "head_dim": 8, "intermediate_size": 12, "moe_intermediate_size": 8,
        "num_hidden_layers": 4, "num_dense_layers": 1, "num_experts": 4, "num_experts_per_tok": 2,
        "num_shared_experts": 1, "route_scale": 1.5, "route_norm": True, "score_func": "sigmoid",
        "sliding_window": 6, "mup_enabled": True, "max_position_embeddings": 256}),
    # Experts in groups, a block without a window in the middle.
    "exaone_moe": ("ExaoneMoe", "ForCausalLM", {
        **ENDS, **HEADS, "head_dim": 8, "intermediate_size": 12, "moe_intermediate_size": 8,
        "num_hidden_layers": 3, "num_experts": 4, "num_experts_per_tok": 2, "n_group": 2,
        "num_shared_experts": 1, "sliding_window": 6, "max_position_embeddings": 256,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}),
    "solar_open": ("SolarOpen", "ForCausalLM", {
        **ENDS, **HEADS, "head_dim": 10, "moe_intermediate_size": 8, "num_hidden_layers": 2,
        "n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 2,
        "routed_scaling_factor": 1.5, "attention_bias": True, "max_position_embeddings": 256}),
    "hy_v3": ("HYV3", "ForCausalLM", {
        **ENDS, **HEADS, "head_dim": 8, "intermediate_size": 12, "moe_intermediate_size": 8,
        "num_hidden_layers": 2, "num_experts": 4, "num_experts_per_tok": 2,
        "max_position_embeddings": 256}),
    "dots1": ("Dots1", "ForCausalLM", {
        **ENDS, **DENSE_FIRST, "n_group": 2, "topk_group": 1, "routed_scaling_factor": 1.5,
        "norm_topk_prob": True}),
    "glm4_moe": ("Glm4Moe", "ForCausalLM", {
        **ENDS, **DENSE_FIRST, "head_dim": 12, "n_group": 1, "topk_group": 1,
        "routed_scaling_factor": 1.5, "use_qk_norm": True, "attention_bias": True}),
    # The class leaves out what YaRN does to scores in the published code, so there is none.
    "deepseek_v2": ("DeepseekV2", "ForCausalLM", {
        **ENDS, **LATENT, "q_lora_rank": None, "routed_scaling_factor": 1.5}),
    "deepseek_v3": ("DeepseekV3", "ForCausalLM", {
        **ENDS, **LATENT, "q_lora_rank": 12, "n_group": 4, "topk_group": 2, "rope_parameters": {
            "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "beta_fast": 32,
            "beta_slow": 1, "mscale": 0.707, "mscale_all_dim": 0.707,
            "original_max_position_embeddings": 64}}),
    # Queries that grow within the text.
    "mistral4": ("Mistral4", "ForCausalLM", {
        **ENDS, **LATENT, "q_lora_rank": 12, "n_group": 2, "topk_group": 1,
        "routed_scaling_factor": 1.5, "rope_parameters": {
            "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "beta_fast": 32,
            "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.5,
            "original_max_position_embeddings": 7}}),
    # Blocks differ in heads and RoPE, the gate's logits have a cap that is felt.
    "laguna": ("Laguna", "ForCausalLM", {
        **ENDS, **HEADS, "head_dim": 8, "intermediate_size": 12, "moe_intermediate_size": 8,
        "shared_expert_intermediate_size": 12, "num_hidden_layers": 3, "num_experts": 4,
        "num_experts_per_tok": 2, "num_attention_heads_per_layer": [4, 6, 4],
        "moe_routed_scaling_factor": 1.5, "moe_router_logit_softcapping": 2.0,
        "sliding_window": 6, "max_position_embeddings": 256,
        "mlp_layer_types": ["dense", "sparse", "sparse"],
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
            "full_attention": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
                               "original_max_position_embeddings": 64, "beta_fast": 32,
                               "beta_slow": 1, "partial_rotary_factor": 0.5}}}),
    "ernie4_5_moe": ("Ernie4_5_Moe", "ForCausalLM", {
        **ENDS, **HEADS, "intermediate_size": 12, "moe_intermediate_size": 8,
        "num_hidden_layers": 2, "moe_num_experts": 4, "moe_k": 2, "moe_num_shared_experts": 1,
        "moe_layer_start_index": 1, "moe_layer_end_index": 1, "tie_word_embeddings": False}),
    # The class does not read rotary_dim, as published; both say the same.
    "minimax_m2": ("MiniMaxM2", "ForCausalLM", {
        **ENDS, **HEADS, "head_dim": 12, "rotary_dim": 6, "intermediate_size": 8,
        "num_hidden_layers": 2, "num_local_experts": 4, "num_experts_per_tok": 2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 5000000.0,
                            "partial_rotary_factor": 0.5}}),
    "hunyuan_v1_moe": ("HunYuanMoEV1", "ForCausalLM", {
        **ENDS, **HEADS, "head_dim": 16, "intermediate_size": 12, "num_hidden_layers": 2,
        "num_experts": 4, "moe_topk": [2, 2], "rope_parameters": {
            "rope_type": "dynamic", "rope_theta": 10000.0, "alpha": 1000.0, "factor": 1.0}}),
    # Longer than the context it was trained with.
    "phimoe": ("Phimoe", "ForCausalLM", {
        **ENDS, **HEADS, "intermediate_size": 12, "num_hidden_layers": 2, "num_local_experts": 4,
        "num_experts_per_tok": 2, "attention_bias": True, "lm_head_bias": True,
        "max_position_embeddings": 128, "original_max_position_embeddings": 16,
        "rope_parameters": {
            "rope_type": "longrope", "rope_theta": 10000.0, "short_mscale": 1.2,
            "long_mscale": 1.3, "original_max_position_embeddings": 16,
            "short_factor": [1.0, 1.5, 2.0, 3.0], "long_factor": [1.0, 2.0, 4.0, 8.0]}}),
    "qwen2_moe": ("Qwen2Moe", "ForCausalLM", {
        **ENDS, **HEADS, "intermediate_size": 12, "moe_intermediate_size": 8,
        "shared_expert_intermediate_size": 12, "num_hidden_layers": 2, "num_experts": 6,
        "num_experts_per_tok": 3}),
    # RoPE of two kinds, one of them scaled.
    "mellum": ("Mellum", "ForCausalLM", {
        **ENDS, **HEADS, "head_dim": 8, "moe_intermediate_size": 8, "num_hidden_layers": 3,
        "num_experts": 4, "num_experts_per_tok": 2, "sliding_window": 6,
        "max_position_embeddings": 256,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
            "full_attention": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
                               "original_max_position_embeddings": 64, "beta_fast": 32,
                               "beta_slow": 1}}}),
    "granitemoeshared": ("GraniteMoeShared", "ForCausalLM", {
        **ENDS, **HEADS, **GRANITE, "intermediate_size": 8, "shared_intermediate_size": 16,
        "num_hidden_layers": 2, "num_local_experts": 4, "num_experts_per_tok": 2}),
}


def distribution(name, shape):
    """Mean and deviation of a parameter, by its name."""
    if name.endswith(("norm.weight", "scale", "layer_scalar", "layernorm_1.weight",
            "layernorm_2.weight", "norm_1.weight", "norm_2.weight", "norm_f.weight")):
        return 1.0, 0.3
    if name.endswith("bias") or name.endswith("sinks"):
        return 0.0, 0.5
    if any(part in name for part in
            ("relative_attention_bias", "embed_tokens", "shared.weight", "wte.weight")):
        return 0.0, 1.0
    transposed = name.startswith(("gpt_oss", "llama4"))
    inputs = shape[-2] if len(shape) == 3 and transposed else shape[-1]
    gain = 2.0 if "router" in name or name.endswith(".gate.weight") else 1.5
    return 0.0, gain * inputs**-0.5


def fill(model, label):
    """Sets every parameter, to numbers that bf16 holds where that is the model's dtype on disk."""
    places = set()
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() in places:  # tied to one before
            continue
        places.add(tensor.data_ptr())
        mean, deviation = distribution(f"{label}/{name}", tensor.shape)
        rng = Rng(f"{label}/{name}")
        values = torch.tensor([mean + deviation * rng.normal() for _ in range(tensor.numel())],
            dtype=torch.float64)
        values = values.to(torch.bfloat16) if label == "gpt_oss" else values
        tensor.copy_(values.float().reshape(tensor.shape))


def make_ids(label, count):
    rng = Rng(f"{label}/ids of {count}")
    return torch.tensor([[rng.next() % VOCABULARY for _ in range(count)]])


def at_once(model, inputs):
    """The logits, which the number of threads must not change."""
    results = []
    for threads in (4, 2, 1):
        torch.set_num_threads(threads)
        results.append(model(**inputs).logits[0])
    assert all(torch.equal(results[0], other) for other in results)
    return results[0]


def in_steps(model, inputs):
    """The same with a cache, token by token."""
    is_decoder = "decoder_input_ids" in inputs
    fixed = {"encoder_outputs": model.get_encoder()(inputs["input_ids"])} if is_decoder else {}
    name = "decoder_input_ids" if is_decoder else "input_ids"
    cache, logits = None, []
    for token in inputs[name][0]:
        out = model(**fixed, **{name: token.reshape(1, 1)}, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        logits.append(out.logits[0])
    return torch.cat(logits)


def save(folder, name, tensor, dtype):
    numpy.save(folder / f"{name}.npy", tensor.numpy().astype(dtype))


def share_position_bias(model):
    """In T5's classes, and in Switch Transformer's of transformers 4, every block adds the position
    bias that the first
    one holds. Those of 5.12.1 drop it behind the first block: their stack never sets its
    `position_bias`."""
    for stack in (model.encoder, model.decoder):
        bias = stack.block[0].layer[0].SelfAttention.relative_attention_bias
        for block in stack.block[1:]:
            attention = block.layer[0].SelfAttention
            attention.has_relative_attention_bias = True
            object.__setattr__(attention, "relative_attention_bias",
                bias)  # no parameter of its own


def run_experts(mlp, inputs, chosen, weights):
    """What DBRX's experts are in transformers 4: act(x w1') (x v1') w2."""
    tokens = inputs.reshape(-1, inputs.shape[-1])
    w1, v1, w2 = (matrix.view(mlp.moe_num_experts, mlp.ffn_hidden_size, -1)
        for matrix in (mlp.w1, mlp.v1, mlp.w2))
    outputs = torch.zeros_like(tokens)
    for token, ids, factors, to in zip(tokens, chosen, weights, outputs):
        for e, factor in zip(ids, factors):
            to += factor * ((mlp.activation_fn(w1[e] @ token) * (v1[e] @ token)) @ w2[e])
    return outputs.view(inputs.shape)


def restore_experts(model):
    """DBRX's classes in transformers 5.12.1 swap the widths of model and experts, which only works
    where both are the same, and multiply by each of an expert's matrices transposed."""
    for block in model.transformer.blocks:
        router, experts = block.ffn.router, block.ffn.experts
        router.layer = torch.nn.Linear(
            model.config.d_model, router.layer.out_features, bias=False).float()
        experts.forward = functools.partial(run_experts, experts.mlp)


def make(label):
    family, ending, settings = MODELS[label]
    config = getattr(transformers, f"{family}Config")(**settings)
    config._experts_implementation = config._attn_implementation = "eager"
    model = getattr(transformers, family.removesuffix("Text") + ending)(config).float().eval()
    assert model.config._experts_implementation == model.config._attn_implementation == "eager"
    if family == "Dbrx":
        restore_experts(model)
    fill(model, label)
    if family == "SwitchTransformers":
        share_position_bias(model)
    return model


def say_by_rules(folder, **rules):
    """Puts what published configs have in the place of the lists that transformers makes of it."""
    config = json.loads((folder / "config.json").read_text())
    for name in ("layer_types", "mlp_layer_types"):
        del config[name]
    text = json.dumps({**config, **rules}, indent=2, sort_keys=True)
    (folder / "config.json").write_text(text + "\n")


def write(folder, label):
    model = make(label)
    inputs = {"input_ids": make_ids(label, TOKENS)}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = make_ids(label, DECODER_TOKENS)
    # Another model for the steps: one with dynamic RoPE does not forget the longest text it has
    # seen.
    logits, steps = at_once(model, inputs), in_steps(make(label), inputs)
    difference = float((logits - steps).abs().max() / logits.square().mean().sqrt())
    rms = float(logits.square().mean().sqrt())
    print(f"{label}: rms {rms:.3g}, in steps {difference:.2g} of it away")

    (model.to(torch.bfloat16) if label == "gpt_oss" else model).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if label == "cohere2_moe":
        say_by_rules(folder, first_k_dense_replace=1)
    save(folder, "ids", inputs["input_ids"][0], "<i4")
    if "decoder_input_ids" in inputs:
        save(folder, "decoder_ids", inputs["decoder_input_ids"][0], "<i4")
    save(folder, "logits", logits, "<f4")
    if "dynamic" in label:
        save(folder, "steps", steps, "<f4")
    elif label != "phimoe":  # which throws its cache away where the text outgrows its context
        assert difference < 1e-5
    assert sum(file.stat().st_size for file in folder.iterdir()) < LARGEST


if __name__ == "__main__":
    whole = pathlib.Path(__file__).with_name("whole")
    with torch.no_grad():
        for name in MODELS:
            shutil.rmtree(whole / name, ignore_errors=True)
            write(whole / name, name)
