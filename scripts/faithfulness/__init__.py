"""Problems for attention profiles, and how true a profile of each is."""
