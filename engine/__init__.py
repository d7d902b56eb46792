"""The studio without its screens: models, chat, feedback, data, training, jobs.

Nothing here imports Streamlit, and importing any module of it loads no deep-learning library: those load on first use.
"""
