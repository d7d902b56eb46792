"""Blind comparisons: people vote on two adapters' replies to the same prompts and cannot tell which reply is whose.

    schema      a session and its items; as records and as tables
    sessions    make a session (of any replies, or of a win-rate run's answers), list and close it
    voting      the next item for a person, and their vote
    results     how often the new adapter won, and how sure that is
    figures     what speaks for an adapter: the reward's win rate and the people's

Nothing here talks to a model. Each vote is a row of the feedback store, so it is data like every other judgement.
"""
