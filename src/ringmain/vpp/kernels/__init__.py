"""The fleet's compiled rules, one topic a file.

``units`` ← ``periods``, ``hierarchy`` ← ``estimates`` ← ``ranges``, ``meter`` ← ``registry``, ``twins``,
``desk`` (over ``money``, ``obligations``) ← ``reserve`` ← ``measuring``, ``allocation`` ← ``dispatch``,
``settle``, ``census`` ← ``timers``, ``rhythm``, ``operator`` (over ``answers``).
"""
