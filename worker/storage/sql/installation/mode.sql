SELECT mode FROM installation
