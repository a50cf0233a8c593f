"""``python -m bem.demo.supervisor FILE``: supervisord, which ends in order if the demo dies."""

import sys

from supervisor import supervisord

from bem.demo.kernel import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    supervisord.main(["--nodaemon", "--configuration", sys.argv[1]])
