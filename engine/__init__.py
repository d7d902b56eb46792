"""The studio without its screens: models, chat, feedback, data, training, jobs.

Nothing here imports Streamlit, and importing any module of it loads no deep-learning library: those load on first use.
"""

import os
import sys

# Chat, training and the pages share the CPU. OpenMP's threads may spin while they wait, or sleep. Spinning at length makes two
# of these processes at once several times slower than half speed; sleeping at once costs a wake-up for every little product
# of a model that writes. A thousand turns are some twenty microseconds. On 2 cores, a decoding step of four rows and, beside
# another one, a training step took: sleeping 48 ms and 4.6 s, a thousand turns 29 ms and 4.8 s, 300,000 turns 11.2 s.
if "OMP_WAIT_POLICY" not in os.environ:
    # GNU's library, which torch's packages for Linux bring, is told how long; others wait for ever if active
    os.environ["OMP_WAIT_POLICY"] = "active" if sys.platform == "linux" else "passive"
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
