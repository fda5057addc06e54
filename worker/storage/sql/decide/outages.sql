SELECT began, ended FROM outages
