"""The gateway: sessions over binary TCP; bytes in, commands out; events in, bytes out."""
