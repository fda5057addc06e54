"""The driver's UUID class: it is made in a third of the time of the library's."""

from asyncpg.pgproto import pgproto

DriverUUID = pgproto.UUID
