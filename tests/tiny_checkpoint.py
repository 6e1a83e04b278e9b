"""Tiny random checkpoints with published names, for tests of the command. Needs nothing but Python.

    tiny_checkpoint.py FAMILY DIRECTORY VOCABULARY [KEY=JSON ...]

writes config.json, with these settings replaced (KEY=- removes one), and model.safetensors. As a
module:

    from tiny_checkpoint import Checkpoint
    c = Checkpoint("qwen3_moe", vocabulary=200)
    c.config["eos_token_id"] = [3, 4]
    c.tensors["lm_head.weight"] = tensor([200, 32], values)
    c.save(directory)

Families: mixtral, qwen3_moe, olmoe, granitemoe, switch_transformers. All are 32 wide, with 2 blocks
and 4 experts
of 48, of which a token takes 2 (1 in switch_transformers, whose second block alone has experts).
"""
import json
import math
import os
import random
import struct
import sys
from array import array

HIDDEN, INNER, EXPERTS, BLOCKS, HEAD = 32, 48, 4, 2, 8


class Tensor:
    def __init__(self, dtype, shape, data):
        self.dtype, self.shape, self.data = dtype, list(shape), bytes(data)


def tensor(shape, values):
    """An F32 tensor of these values."""
    return Tensor("F32", shape, struct.pack("<%df" % len(values), *values))


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    body = data[8 + size:]
    return {name: Tensor(t["dtype"], t["shape"], body[slice(*t["data_offsets"])]) for name,
        t in header.items()}


def write_safetensors(path, tensors, metadata=None):
    header, offset = {"__metadata__": metadata or {"format": "pt"}}, 0
    for name, t in tensors.items():
        header[name] = {"dtype": t.dtype, "shape": t.shape, "data_offsets": [offset, offset
            + len(t.data)]}
        offset += len(t.data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            file.write(t.data)


class Checkpoint:
    def __init__(self, family, vocabulary, seed=1):
        self.family, self.vocabulary = family, vocabulary
        self.tensors = {}
        self._random = random.Random(seed)
        if family == "switch_transformers":
            self._switch()
        else:
            self._decoder()

    def save(self, directory, config=True):
        os.makedirs(directory, exist_ok=True)
        if config:
            with open(os.path.join(directory, "config.json"), "w") as file:
                json.dump(self.config, file, indent=1)
        write_safetensors(os.path.join(directory, "model.safetensors"), self.tensors)

    def _weight(self, name, *shape, scale=None):
        scale = scale or 1 / math.sqrt(shape[-1])
        count = math.prod(shape)
        self.tensors[name] = tensor(shape, [self._random.gauss(0, scale) for _ in range(count)])

    def _ones(self, name, count):
        self.tensors[name] = tensor([count], [1.0] * count)

    def _decoder(self):
        family = self.family
        self.config = {
            "model_type": family, "hidden_size": HIDDEN, "num_hidden_layers": BLOCKS,
                "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": HEAD, "vocab_size": self.vocabulary,
                "num_experts_per_tok": 2,
            "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 256,
                "hidden_act": "silu",
            "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2,
                "torch_dtype": "float32",
        }
        if family in ("mixtral", "granitemoe"):
            self.config.update(num_local_experts=EXPERTS, intermediate_size=INNER)
        else:
            self.config.update(num_experts=EXPERTS, moe_intermediate_size=INNER,
                intermediate_size=INNER,
                               norm_topk_prob=True)
        self._weight("model.embed_tokens.weight", self.vocabulary, HIDDEN, scale=1)
        self._weight("lm_head.weight", self.vocabulary, HIDDEN)
        self._ones("model.norm.weight", HIDDEN)
        for block in range(BLOCKS):
            prefix = "model.layers.%d." % block
            self._ones(prefix + "input_layernorm.weight", HIDDEN)
            self._ones(prefix + "post_attention_layernorm.weight", HIDDEN)
            for name, rows in ("q", 32), ("k", 16), ("v", 16), ("o", 32):
                self._weight(prefix + "self_attn.%s_proj.weight" % name, rows, HIDDEN)
            if family in ("qwen3_moe", "olmoe"):
                self._ones(prefix + "self_attn.q_norm.weight", HEAD if family == "qwen3_moe"
                    else 32)
                self._ones(prefix + "self_attn.k_norm.weight", HEAD if family == "qwen3_moe"
                    else 16)
            self._experts(prefix)

    def _experts(self, prefix):
        if self.family == "granitemoe":
            prefix += "block_sparse_moe."
            self._weight(prefix + "router.layer.weight", EXPERTS, HIDDEN)
            self._weight(prefix + "input_linear.weight", EXPERTS, 2 * INNER, HIDDEN)
            self._weight(prefix + "output_linear.weight", EXPERTS, HIDDEN, INNER)
            return
        mixtral = self.family == "mixtral"
        prefix += "block_sparse_moe." if mixtral else "mlp."
        gate, up, down = ("w1", "w3", "w2") if mixtral else ("gate_proj", "up_proj", "down_proj")
        self._weight(prefix + "gate.weight", EXPERTS, HIDDEN)
        for expert in range(EXPERTS):
            name = prefix + "experts.%d." % expert
            self._weight(name + gate + ".weight", INNER, HIDDEN)
            self._weight(name + up + ".weight", INNER, HIDDEN)
            self._weight(name + down + ".weight", HIDDEN, INNER)

    def _switch(self):
        self.config = {
            "architectures": ["SwitchTransformersForConditionalGeneration"],
                "model_type": "switch_transformers",
            "d_ff": INNER, "d_kv": HEAD, "d_model": HIDDEN, "num_heads": 4, "num_layers": BLOCKS,
            "num_decoder_layers": BLOCKS, "num_sparse_encoder_layers": 1,
                "num_sparse_decoder_layers": 1,
            "encoder_sparse_step": 2, "decoder_sparse_step": 2, "num_experts": EXPERTS,
                "expert_capacity": 64,
            "decoder_start_token_id": 0, "dense_act_fn": "relu", "feed_forward_proj": "relu",
                "eos_token_id": 1,
            "pad_token_id": 0, "is_encoder_decoder": True, "is_gated_act": False,
                "layer_norm_epsilon": 1e-6,
            "relative_attention_max_distance": 128, "relative_attention_num_buckets": 32,
                "router_bias": False,
            "tie_word_embeddings": True, "vocab_size": self.vocabulary, "torch_dtype": "float32",
        }
        self._weight("shared.weight", self.vocabulary, HIDDEN, scale=1)
        for stack in "encoder", "decoder":
            self.tensors[stack + ".embed_tokens.weight"] = self.tensors["shared.weight"]
            for block in range(BLOCKS):
                self._switch_block(stack, block)
            self._ones(stack + ".final_layer_norm.weight", HIDDEN)

    def _switch_block(self, stack, block):
        prefix = "%s.block.%d.layer." % (stack, block)
        attentions = ["SelfAttention"] + ["EncDecAttention"] * (stack == "decoder")
        for layer, attention in enumerate(attentions):
            for name in "qkvo":
                self._weight("%s%d.%s.%s.weight" % (prefix, layer, attention, name), HIDDEN, HIDDEN)
            self._ones("%s%d.layer_norm.weight" % (prefix, layer), HIDDEN)
        if block == 0:
            self._weight(prefix + "0.SelfAttention.relative_attention_bias.weight", 32, 4)
        prefix += "%d." % len(attentions)
        self._ones(prefix + "layer_norm.weight", HIDDEN)
        experts = [""]
        if block % 2 == 1:
            self._weight(prefix + "mlp.router.classifier.weight", EXPERTS, HIDDEN)
            experts = ["experts.expert_%d." % expert for expert in range(EXPERTS)]
        for expert in experts:
            self._weight(prefix + "mlp." + expert + "wi.weight", INNER, HIDDEN)
            self._weight(prefix + "mlp." + expert + "wo.weight", HIDDEN, INNER)


def main():
    checkpoint = Checkpoint(sys.argv[1], int(sys.argv[3]))
    for setting in sys.argv[4:]:
        key, value = setting.split("=", 1)
        if value == "-":
            checkpoint.config.pop(key, None)
        else:
            checkpoint.config[key] = json.loads(value)
    checkpoint.save(sys.argv[2])


if __name__ == "__main__":
    main()
