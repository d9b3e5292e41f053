"""The types of columns in all migrations; as steps that were taken, they do not change."""

import sqlalchemy as sa

# By code point, whatever order the database was made with.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
# SQLite counts only in a column declared as INTEGER, and its integers have 64 bits anyway.
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
