"""Pictures: what the starter picture model learns from, and how well it draws.

`emoji` the pictures and captions the starter learns from · `nouns` which nouns these are · `captions` what a caption may say

`recipe` what a picture was made with · `png` and `infotext` the same inside picture files · `uploads` pictures from outside, checked ·
`masks` what is drawn anew · `gallery` every picture that was drawn

`prompt_writing` an idea becomes a prompt · `ideas` and `noun_names` Chinese and free words in those the starter learnt ·
`prompt_bounds` trigger words and limits · `prompt_tokens` counts tokens
"""
