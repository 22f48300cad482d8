"""What goes wrong that a user can mend."""


class UserError(Exception):
    """What a user can mend; the text says in a line, or a line for each mistake, what and how."""


class NamedFileError(UserError):
    """A file that a user named and that cannot be read as what it is to be."""


class MisuseError(UserError):
    """What a user wrote that is nothing of the kind asked for, whatever there is of that kind."""
