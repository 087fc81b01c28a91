"""One module (or package) per AWS service, each with `install(sim)`, which registers what it does better than moto."""
