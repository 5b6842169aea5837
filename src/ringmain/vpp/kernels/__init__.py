"""The fleet's compiled rules, one topic a file.

``units`` ← ``periods`` ← ``registry``, ``meter`` ← ``twins``, ``desk`` (over ``money``) ← ``dispatch``,
``settle``, ``census`` ← ``timers``, ``operator`` (over ``answers``).
"""
