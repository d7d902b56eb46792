"""The adapters in `lora_store/`: list, read, check, import, publish, delete. Plain files; weights are loaded elsewhere."""
