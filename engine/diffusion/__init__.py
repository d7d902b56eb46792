"""Pictures: what the starter picture model learns from, and how well it draws.

`emoji` the pictures and captions the starter learns from · `nouns` which nouns these are · `captions` what a caption may say
"""
