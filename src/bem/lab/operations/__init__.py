"""What people do to the records, each in one transaction, with its rights and checks.

Pages, the command line, the manager's seeds and the tests call these; nothing else writes what
they write. A refusal stores nothing and says, by field, what is wrong and how to mend it.
"""
