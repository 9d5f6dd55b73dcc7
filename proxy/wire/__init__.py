"""HTTP towards client and vendor: aiohttp's server in front, an own leg over llhttp towards the vendor."""
