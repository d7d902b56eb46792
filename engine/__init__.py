"""The studio without its screens: models, chat, feedback, data, training, jobs.

Nothing here imports Streamlit, and importing any module of it loads no deep-learning library: those load on first use.
"""

import os

# Chat, training and the pages share the CPU. OpenMP's threads spin while they wait, which makes two of these processes
# at once several times slower than half speed (measured on 2 cores: a training step took 46 s spinning, 10 s sleeping).
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
