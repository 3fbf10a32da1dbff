"""What somebody else's own form of our JSON does not say, or says otherwise."""


def difference(ours, theirs, path=""):
    if isinstance(ours, dict):
        found = []
        for key, value in ours.items():
            if not isinstance(theirs, dict) or key not in theirs:
                found.append(f"{path}/{key} is unknown there")
            else:
                found += difference(value, theirs[key], f"{path}/{key}")
        return found
    if isinstance(ours, list):
        if not isinstance(theirs, list) or len(ours) != len(theirs):
            return [f"{path} has another length"]
        return [d for i, (a, b) in enumerate(zip(ours, theirs)) for d in difference(a, b, f"{path}/{i}")]
    return [] if ours == theirs else [f"{path}: {ours!r} became {theirs!r}"]
