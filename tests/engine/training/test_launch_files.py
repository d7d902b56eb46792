"""Configuration files and launcher commands, as made from a spec; nothing is started."""

import json
import socket

import pytest
import yaml

from engine.errors import BadInput
from engine.jobs.local import command_line
from engine.runs import create_run
from engine.training.launch import accelerate_config, command, deepspeed_config
from engine.training.specs import SftSpec, parse_spec


def _spec(**values: object) -> SftSpec:
    return parse_spec({"dataset": "d", "adapter": "a", "launcher": "torchrun", "nproc": 2, **values})


def test_generated_deepspeed_files_contradict_nothing():
    for more in ({"zero": 1}, {"zero": 2, "offload": "optimizer"}, {"zero": 3, "offload": "all"}):
        spec = _spec(**more)
        config = deepspeed_config.make(spec)
        assert deepspeed_config.contradictions(spec, config) == []
        assert config["zero_optimization"]["stage"] == spec.zero
    assert config["zero_optimization"]["offload_param"]["device"] == "cpu"


def test_every_contradiction_of_an_own_file_is_named():
    config = {
        "train_batch_size": 99,
        "gradient_clipping": 0.5,
        "fp16": {"enabled": True},
        "zero_optimization": {"stage": 1},
        "optimizer": {"params": {"lr": 1e-3}},
    }
    found = deepspeed_config.contradictions(_spec(zero=2, fp16=False), config)
    names = {line.split(":")[0] for line in found}
    assert names == {
        "train_batch_size",
        "gradient_clipping",
        "fp16.enabled",
        "zero_optimization.stage",
        "optimizer.params.lr",
    }


def test_an_own_accelerate_file(tmp_path):
    spec = _spec(launcher="accelerate", zero=2)
    config = {
        "num_processes": 4,
        "use_cpu": True,
        "distributed_type": "DEEPSPEED",
        "deepspeed_config": {"zero_stage": 3},
    }
    found = accelerate_config.contradictions(spec, config)
    assert found == ["num_processes: 4 / 2", "deepspeed_config.zero_stage: 3 / 2", "use_cpu: true / false"]
    path = tmp_path / "a.yaml"
    path.write_text("[1, 2")
    with pytest.raises(BadInput, match="not valid YAML"):
        accelerate_config.read(path)


def test_fsdp_is_configured_for_lora_and_needs_gpus():
    spec = _spec(launcher="accelerate", fsdp="full_shard")
    config = accelerate_config.make(spec, None)
    assert config["distributed_type"] == "FSDP"
    assert config["fsdp_config"]["fsdp_sharding_strategy"] == "FULL_SHARD"
    assert config["fsdp_config"]["fsdp_use_orig_params"] is True
    with pytest.raises(BadInput, match="needs GPUs"):
        command.check(spec)


def test_several_machines(tmp_path):
    torchrun = _spec(nodes=2, node_rank=1, main_address="10.0.0.1:29500", zero=2)
    argv = command.prepare(torchrun, create_run("sft", {}, "x")).argv
    assert "--nnodes 2 --node-rank 1 --nproc-per-node 2 --master-addr 10.0.0.1 --master-port 29500" in " ".join(argv)
    hostfile = tmp_path / "hosts"
    hostfile.write_text("a slots=2\nb slots=2\n")
    deepspeed = _spec(launcher="deepspeed", nodes=2, hostfile=str(hostfile), zero=2)
    run = create_run("sft", {}, "x")
    assert f"--hostfile {hostfile}" in " ".join(command.prepare(deepspeed, run).argv)
    accelerate = _spec(launcher="accelerate", nodes=2, node_rank=1, main_address="10.0.0.1:29500", zero=2)
    run = create_run("sft", {}, "x")
    command.prepare(accelerate, run)
    config = yaml.safe_load((run.path / "configs" / "accelerate.yaml").read_text())
    assert (config["num_machines"], config["machine_rank"], config["num_processes"]) == (2, 1, 4)
    with pytest.raises(BadInput, match="host:port"):
        command.prepare(_spec(nodes=2, main_address="10.0.0.1"), run)


def test_each_run_gets_a_port_that_is_free():
    run = create_run("sft", {}, "x")
    command.prepare(_spec(), run)
    port = json.loads((run.path / "launch.json").read_text())["port"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))
    assert str(port) in (command.shown(run) or "")


def test_the_command_shown_names_what_was_chosen_of_the_launch():
    words = command_line(_spec(zero=2))
    assert "--launcher torchrun --nproc 2 --zero 2" in words
    assert "--offload" not in words and "--node" not in words
