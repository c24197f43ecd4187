"""What would end without a result is refused before it begins."""

import pytest

from lenssr.config.compose import compose, plain
from lenssr.config.schema import validate
from lenssr.errors import ConfigError


@pytest.mark.parametrize("word", ["limit_val_batches=0", "enable_checkpointing=false", "barebones=true"])
def test_a_training_that_would_leave_no_checkpoint_is_refused(word):
    with pytest.raises(ConfigError, match=f"trainer: {word.split('=')[0]}=.* leaves no checkpoint"):
        validate(plain(compose([f"+trainer.{word}"])))


def test_fewer_validation_images_are_allowed():
    validate(plain(compose(["+trainer.limit_val_batches=0.5"])))
