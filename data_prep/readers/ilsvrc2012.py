"""ILSVRC-2012 as published: the train and val tars beside the devkit (Table 2 of the paper).

    ILSVRC2012_img_train.tar  ILSVRC2012_img_val.tar  ILSVRC2012_devkit_t12.tar.gz, or unpacked

The test tar has no labels and is left out.
"""

from data_prep.readers.base import Form
from data_prep.readers.ilsvrc import Edition

EDITION = Edition(
    year=2012,
    train="ILSVRC2012_img_train.tar",
    val="ILSVRC2012_img_val.tar",
    test="ILSVRC2012_img_test*.tar",
)
FORM = Form("ilsvrc2012", "ILSVRC2012_img_train.tar and the like", EDITION.recognises, EDITION.listing)
