"""What people think of replies: kept in the database, counted, compared between people, and turned into training data.

Nothing here talks to a model, and nothing but `agreement` needs a library beyond SQLAlchemy and pydantic.
"""
