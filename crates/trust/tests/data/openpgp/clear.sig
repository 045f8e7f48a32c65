-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

{"critical":{"identity":{"docker-reference":"registry.example:5000/shop/web:1"},"image":{"docker-manifest-digest":"sha256:962b1ae83825c37b6eb3ee98dbe587461074a338cc0b838a635d274e2844096d"},"type":"atomic container signature"},"optional":{"creator":"atomic 5.23.1","timestamp":1795737428}}
-----BEGIN PGP SIGNATURE-----

iHUEARYIAB0WIQQcRj+Fa4zhdCmIRc51PkQADw0CTQUCawjHnAAKCRB1PkQADw0C
TQoyAQCCrF7Z1D8NV5WXS4XLCRGqL5lK9YlmwauOIspsJW0h0QEA6vqd0g427BcL
SjT5WLOa8kwuilwAjJF9XfCvAkynvg0=
=XIzx
-----END PGP SIGNATURE-----
