"""The HTTP side: FastAPI, uvicorn and Prometheus, which nothing outside this folder imports before it serves."""
