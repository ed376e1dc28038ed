import polars_cloud.polars_cloud as pcr

FRONTEND_DOMAIN = "cloud.pola.rs"
API_CLIENT = pcr.ApiClient()
