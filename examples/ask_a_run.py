"""What a trained net says, from Python: a script to read cell by cell, on the quickstart's run and data.

Run it after ./scripts/quickstart.sh, in the same folder: python examples/ask_a_run.py
"""

# %% A run is opened by its folder; no command line takes part.
import numpy as np

import alexnet

run = alexnet.open_run("runs/quickstart")
print(f"{run.path}: {len(run.classes)} classes, step {run.step}, batch {run.recipe.train.batch}")

# %% Prepared data gives images as arrays (S, S, 3) of bytes; files of any size serve as well.
data = alexnet.open_data(run.trained.data)
split = data.split("val")
images = [split.image(index) for index in range(8)]

# %% Class probabilities, averaged over ten crops (section 4.1).
probs = run.predict(images)
for image_probs, label in zip(probs, split.labels, strict=False):
    likely = run.classes[int(image_probs.argmax())]
    print(f"{run.classes[label].name:12} looks like {likely.name:12} {image_probs.max():.0%}")

# %% The last hidden layer's values describe an image (section 6.1): its nearest neighbour is the most alike.
features = run.features(images, "relu7")
distances = np.linalg.norm(features[1:] - features[0], axis=1)
print(f"features {features.shape}; image {1 + int(distances.argmin())} is the most like image 0")

# %% Error rates of a whole split.
errors = run.evaluate(split="val")
print(f"top-1 error {errors.top1:.1%}, top-5 error {errors.top5:.1%} on {errors.images} images")

# %% How the training went, row by row.
rows = [row for row in run.log() if "val_top1_error" in row]
print("validation errors:", ", ".join(f"{row['val_top1_error']:.1%}" for row in rows))
