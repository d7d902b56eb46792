"""From what people judged to what a model can prefer: pairs and thumbs by rules, datasets of them, and who learnt from whom.

`rules` is what a person chooses, `votes` what each judgement says of two replies, `near` merges what is nearly the same,
`build` decides, `datasets` keeps the result, `lineage` finds the adapters that learnt from a judgement.
"""
