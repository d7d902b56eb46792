"""What people think of replies and pictures: kept in the database, counted, compared between people, and turned into training data.

Nothing here talks to a model, and nothing but `agreement` needs a library beyond SQLAlchemy and pydantic.
Pictures (`pictures`, `picture_figures`) have a table of their own, so that they never get among replies.
"""
