"""Between the markets: bids of the fleet become orders of the exchange, fills become awards."""
