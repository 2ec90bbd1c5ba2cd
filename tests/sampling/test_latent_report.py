"""The latent report: the split of the KL against closed forms, pictures, and what a sampler does to a
table."""

import numpy as np
import pytest

from raygen.latent import samplers as latent_samplers
from raygen.latent.samplers import Posteriors
from raygen.report.latent import terminal
from raygen.sampling import latent_report
from tests.latent.test_samplers import RING_KL, correlated, four_rings, posteriors, ring

pytestmark = pytest.mark.slow


def split(draw, log_var=-9.0, rows=12_000):
    rows = posteriors(draw, rows=rows, log_var=log_var)[0]
    return latent_report.kl_split(rows, np.random.default_rng(0))[0]


def test_the_parts_of_the_kl_add_up_exactly():
    kl = split(correlated, log_var=-2.0)
    assert kl.scale + kl.correlation + kl.shape == pytest.approx(kl.total, abs=1e-9)


def test_a_gaussian_has_scale_and_correlation_and_no_shape():
    """Of N((1, -1), [[1, .8], [.8, 1]]): scale 1 (both means), correlation -ln(1 - .64) / 2."""
    kl = split(correlated, log_var=-4.0)  # posteriors wide enough for 12,000 of them to be smooth
    extra = np.exp(-4.0)
    assert kl.scale == pytest.approx(1 + extra - np.log(1 + extra), abs=0.05)
    assert kl.correlation == pytest.approx(-0.5 * np.log(1 - (0.8 / (1 + extra)) ** 2), abs=0.03)
    assert abs(kl.shape) < 0.03


def test_rings_are_all_shape():
    """KL 1.54 nats, all of it shape; for four rings in eight dimensions 12,000 rows are too few to tell how
    much."""
    one, four = split(ring, log_var=-6.5), split(four_rings, log_var=-6.5)
    for kl in (one, four):
        assert abs(kl.scale) < 0.02 and abs(kl.correlation) < 0.02
    assert one.shape == pytest.approx(RING_KL, abs=0.1)
    assert four.shape > 4 * RING_KL - 0.5


def test_the_rate_is_the_information_on_the_row_and_the_kl():
    """Mean KL of a row's posterior = I(row; z) + KL(q || N(0, I)) (Hoffman and Johnson 2016); far-apart rows
    are all told apart."""
    rng = np.random.default_rng(0)
    far = Posteriors(rng.normal(0, 30, (300, 4)), np.full((300, 4), -8.0))
    samplers = {"normal": latent_samplers.fit("normal", far, far)}
    report = latent_report.describe(far, far, samplers, latent_samplers.score(samplers, far), "normal")
    assert report.mutual_information == pytest.approx(np.log(300), abs=0.1)  # a mean over 2,048 draws
    assert report.rate == pytest.approx(
        np.mean(np.sum(0.5 * (far.z_mean**2 + np.exp(-8) - 1 + 8), axis=1)), rel=1e-6
    )
    assert report.rate > report.log_rows
    assert "z can index single rows" in " ".join(terminal.lines(report))


def test_dimensions_that_carry_nothing_are_not_active():
    rng = np.random.default_rng(0)
    mean, log_var = rng.normal(0, 1, (500, 3)), np.full((500, 3), -1.0)
    mean[:, 1], log_var[:, 1] = 0, 0
    rows = Posteriors(mean, log_var)
    samplers = {"normal": latent_samplers.fit("normal", rows, rows)}
    report = latent_report.describe(rows, rows, samplers, latent_samplers.score(samplers, rows), "normal")
    assert [d.active for d in report.dimensions] == [True, False, True]
    assert report.dimensions[1].to_dict() == pytest.approx(
        {"kl": 0, "mean_variance": 0, "posterior_variance": 1, "variance": 1, "active": False}
    )


def test_a_picture_is_taken_where_two_laws_differ_most():
    """Two clouds that differ in one oblique direction of ten."""
    rng = np.random.default_rng(0)
    direction = np.array([1, 1, 0, 0, 0, 0, 0, 0, 0, 0]) / np.sqrt(2)
    a, b = rng.normal(size=(2, 3000, 10))
    b += np.outer(np.sign(rng.normal(size=3000)) * 2, direction)
    found = latent_report.picture(a, b, rng)
    first, second = np.array(found.directions)
    assert abs(first @ direction) > 0.9 and abs(first @ second) < 1e-6
    assert found.ks[0] > 0.2 > found.ks[1]
    assert np.sum(found.posterior) > 2900 and np.shape(found.sampler) == (latent_report.CELLS,) * 2


def test_a_picture_of_one_dimension():
    rng = np.random.default_rng(0)
    found = latent_report.picture(rng.normal(size=(500, 1)), rng.normal(1, 1, (500, 1)), rng)
    assert found.ks[0] > 0.3 and found.ks[1] == 0
