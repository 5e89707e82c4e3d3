"""ILSVRC-2010 as published: the tars of train, val and test beside the devkit (Table 1 of the paper).

    ILSVRC2010_images_train.tar  ILSVRC2010_images_val.tar  ILSVRC2010_images_test.tar
    ILSVRC2010_devkit-1.0.tar.gz, or unpacked  ILSVRC2010_test_ground_truth.txt  patch_images.tar

Some of its images are gzipped; `decode` unzips them.
"""

from data_prep.readers.base import Form
from data_prep.readers.ilsvrc import Edition

EDITION = Edition(
    year=2010,
    train="ILSVRC2010_images_train.tar",
    val="ILSVRC2010_images_val.tar",
    test="ILSVRC2010_images_test.tar",
    test_truth="ILSVRC2010_test_ground_truth.txt",
    patch="patch_images.tar",
)
FORM = Form("ilsvrc2010", "ILSVRC2010_images_train.tar and the like", EDITION.recognises, EDITION.listing)
