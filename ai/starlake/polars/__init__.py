"""Polars: the lazy frames of Python tasks run in this process, or on compute contexts of Polars Cloud.

Only this package imports polars_cloud. The engine finds it by the entry points `starlake.lazy_engines`.
"""
