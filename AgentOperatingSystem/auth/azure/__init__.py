"""The Azure adapters of `auth`; the SDKs are imported where they are first used."""
