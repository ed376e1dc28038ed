"""Polars: the lazy frames of Python tasks run here, or on compute contexts of Polars Cloud.

The only room that imports polars_cloud. The engine finds it by the entry points `starlake.lazy_engines`.
"""
