"""The formats that LoRAs of picture models come in: kohya's (A1111, ComfyUI), diffusers' and PEFT's, and their families."""
