"""Generated requests, judged by how several readers understand what reached the vendor."""
