"""Sparse GPR against dense references, scikit-learn's exact GPR and itself by other routes."""

from __future__ import annotations

from itertools import product

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Exponentiation
from sklearn.utils.estimator_checks import parametrize_with_checks

from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.models import sparse_basis
from synthetic_atoms.models.inputs import InputError
from synthetic_atoms.models.kernels import PolynomialKernel
from synthetic_atoms.models.rows import UnfittedError
from synthetic_atoms.models.sparse_basis import RepresentativeBasis, factorise
from synthetic_atoms.models.sparse_gpr import SparseGPR
from synthetic_atoms.models.sparse_gpr_path import SparseGPRPath


def environments(n: int, n_features: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors with positive dot products, like SOAP's, and energies around -157 eV, a smooth function of them."""
    rng = np.random.default_rng(seed)
    X = np.abs(rng.normal(size=(n, n_features)))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = -157 + np.sin(3 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.01 * rng.normal(size=n)
    return X, y


X, Y = environments(400)
X_TEST = environments(50, seed=1)[0]


def dense(X, y, X_test, m, estimator, sigma_eV, zeta=4, c=0.0, scale_eV=1.0):
    """Mean and variance by the definition of the two approximations: an exact GP whose covariance is built from Q.

    Everything is in the space of the training points, so nothing is shared with the M-space equations of the library.
    """

    def k(a, b):
        return scale_eV**2 * (c + a @ b.T) ** zeta

    eigenvalues, vectors = np.linalg.eigh(k(X[:m], X[:m]))
    root = vectors / np.sqrt(eigenvalues)
    v, v_test = k(X, X[:m]) @ root, k(X_test, X[:m]) @ root
    q, q_test = v @ v.T, v_test @ v.T
    noise = np.full(len(X), sigma_eV**2)
    if estimator == "fitc":
        noise += np.diag(k(X, X)) - np.diag(q)
    solved = np.linalg.solve(q + np.diag(noise), np.column_stack([y - y.mean(), q_test.T]))
    variance = np.diag(k(X_test, X_test)) - np.einsum("ij,ji->i", q_test, solved[:, 1:])
    return y.mean() + q_test @ solved[:, 0], variance


@parametrize_with_checks([SparseGPR(), SparseGPR(estimator="fitc", zeta=3, kernel_offset=1.0, sigma_meV=100.0)])
def test_scikit_learn_conventions(estimator, check):
    # No exceptions: every check that scikit-learn applies to a regressor holds.
    check(estimator)


def test_dtc_solves_equation_3_in_50_digits():
    n, m, sigma = 40, 12, 0.01
    mpmath.mp.dps = 50
    dot = mpmath.matrix(X[:n].tolist()) * mpmath.matrix(X[:m].tolist()).T
    k_nm = dot.apply(lambda value: value**4)
    mean = sum(map(mpmath.mpf, Y[:n].tolist())) / n
    residual = mpmath.matrix([mpmath.mpf(value) - mean for value in Y[:n].tolist()])
    left = k_nm[:m, :] + k_nm.T * k_nm / mpmath.mpf(sigma) ** 2
    coefficients = mpmath.lu_solve(left, k_nm.T * residual / mpmath.mpf(sigma) ** 2)
    model = SparseGPR(n_sparse=m, sigma_meV=1e3 * sigma, jitter=0.0).fit(X[:n], Y[:n])
    expected = np.array([float(value) for value in coefficients])
    np.testing.assert_allclose(model.coefficients_, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    assert model.mean_eV_ == pytest.approx(float(mean), rel=1e-15)


@pytest.mark.parametrize("estimator", ["dtc", "fitc"])
@pytest.mark.parametrize(
    ("m", "sigma_meV", "zeta", "c", "scale_eV"),
    [(60, 10.0, 4, 0.0, 1.0), (60, 0.5, 5, 1.0, 0.3), (7, 300.0, 1, 0.5, 2.0), (400, 30.0, 3, 0.1, 1.0)],
)
def test_mean_and_deviation_equal_the_dense_definition(estimator, m, sigma_meV, zeta, c, scale_eV):
    model = SparseGPR(
        estimator=estimator, n_sparse=m, sigma_meV=sigma_meV, zeta=zeta, kernel_offset=c, prior_scale_eV=scale_eV
    ).fit(X, Y)
    mean, variance = dense(X, Y, X_TEST, m, estimator, sigma_meV * 1e-3, zeta, c, scale_eV)
    prediction, deviation = model.predict(X_TEST, return_std=True)
    np.testing.assert_allclose(prediction, mean, rtol=0, atol=1e-7)
    np.testing.assert_allclose(deviation**2, variance, rtol=1e-4, atol=1e-8 * scale_eV**2)
    np.testing.assert_array_equal(prediction, model.predict(X_TEST))
    noisy = model.predict(X_TEST, return_std=True, include_noise=True)[1]
    np.testing.assert_allclose(noisy**2, variance + (sigma_meV * 1e-3) ** 2, rtol=1e-4, atol=1e-8 * scale_eV**2)


@pytest.mark.parametrize("estimator", ["dtc", "fitc"])
def test_with_every_point_representative_it_is_exact_gpr(estimator):
    n = 150
    exact = GaussianProcessRegressor(
        ConstantKernel(0.5**2) * Exponentiation(DotProduct(sigma_0=np.sqrt(0.7)), 4), alpha=0.02**2, optimizer=None
    ).fit(X[:n], Y[:n] - Y[:n].mean())
    expected, expected_deviation = exact.predict(X_TEST, return_std=True)
    model = SparseGPR(estimator=estimator, kernel_offset=0.7, prior_scale_eV=0.5, sigma_meV=20.0).fit(X[:n], Y[:n])
    prediction, deviation = model.predict(X_TEST, return_std=True)
    assert model.representative_points_.shape == (n, 12)
    np.testing.assert_allclose(prediction, expected + Y[:n].mean(), rtol=0, atol=1e-7)
    np.testing.assert_allclose(deviation, expected_deviation, rtol=1e-5)


def test_fitc_interpolates_without_noise():
    # Every point is representative, so what is left of the prior variance is rounding, of either sign.
    model = SparseGPR(estimator="fitc", sigma_meV=1e-6, jitter=0.0).fit(X[:60], Y[:60])
    np.testing.assert_allclose(model.predict(X[:60]), Y[:60], rtol=0, atol=1e-7)


@pytest.mark.parametrize("row_block", [16, 512])
@pytest.mark.parametrize("estimators", [("dtc",), ("fitc",), ("dtc", "fitc")])
def test_one_pass_gives_what_separate_fits_give(estimators, row_block, monkeypatch):
    monkeypatch.setattr(sparse_basis, "ROW_BLOCK", row_block)  # 16 takes 60 points through every block of the solve
    sizes, sparse, sigmas = (1, 20, 70, 333), (5, 40, 60), (1.0, 10.0, 200.0)
    seen: list[int] = []
    path = SparseGPRPath(
        n_train=sizes, n_sparse=sparse, sigma_meV=sigmas, estimators=estimators, chunk_size=50, kernel_offset=0.2
    ).fit(X, Y, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 333
    predictions = path.predict(X_TEST)
    for estimator, n, m, sigma in product(estimators, sizes, sparse, sigmas):
        alone = SparseGPR(estimator=estimator, n_sparse=m, sigma_meV=sigma, kernel_offset=0.2).fit(X[:n], Y[:n])
        column = path.index(n_train=n, n_sparse=m, sigma_meV=sigma, estimator=estimator)
        np.testing.assert_allclose(predictions[:, column], alone.predict(X_TEST), rtol=0, atol=1e-7)
        same = path.estimator(n_train=n, n_sparse=m, sigma_meV=sigma, estimator=estimator)
        np.testing.assert_allclose(same.predict(X_TEST), predictions[:, column], rtol=0, atol=1e-10)
        with pytest.raises(UnfittedError, match="without: refit"):
            same.predict(X_TEST, return_std=True)


class Recorder:
    """Rows that are not an array, and note what was read."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows, self.reads = rows, []

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: slice) -> np.ndarray:
        self.reads.append((key.start, key.stop))
        return self.rows[key]


def test_the_path_reads_each_row_once_in_order_and_in_chunks():
    rows = Recorder(X.astype(np.float32))
    path = SparseGPRPath(n_train=[30, 250], n_sparse=[20], chunk_size=100, estimators=["dtc", "fitc"]).fit(rows, Y)
    assert rows.reads == [(0, 20), (0, 30), (30, 130), (130, 230), (230, 250)]
    rows.reads.clear()
    predictions = path.predict(rows)
    assert rows.reads == [(0, 100), (100, 200), (200, 300), (300, 400)]
    np.testing.assert_allclose(predictions, path.predict(rows.rows.astype(np.float64)), rtol=0, atol=1e-12)


@given(chunk_size=st.integers(1, 500), m=st.integers(1, 80), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize("estimator", ["dtc", "fitc"])
def test_chunks_and_the_order_of_other_rows_do_not_matter(estimator, chunk_size, m, seed):
    order = np.concatenate([np.arange(m), m + np.random.default_rng(seed).permutation(200 - m)])
    one = SparseGPR(estimator=estimator, n_sparse=m).fit(X[:200], Y[:200])
    other = SparseGPR(estimator=estimator, n_sparse=m, chunk_size=chunk_size).fit(X[order], Y[order])
    for a, b in zip(one.predict(X_TEST, return_std=True), other.predict(X_TEST, return_std=True), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-7)


@given(shift=st.floats(-1e3, 1e3), factor=st.floats(0.01, 100.0), estimator=st.sampled_from(["dtc", "fitc"]))
@settings(max_examples=25, deadline=None)
def test_energies_may_be_shifted_and_rescaled(shift, factor, estimator):
    one = SparseGPR(estimator=estimator, n_sparse=30).fit(X, Y).predict(X_TEST, return_std=True)
    scaled = SparseGPR(estimator=estimator, n_sparse=30, prior_scale_eV=factor, sigma_meV=10 * factor)
    other = scaled.fit(X, factor * Y + shift).predict(X_TEST, return_std=True)
    np.testing.assert_allclose(other[0], factor * one[0] + shift, rtol=0, atol=1e-8 * max(1.0, factor))
    np.testing.assert_allclose(other[1], factor * one[1], rtol=1e-5)


@given(n=st.integers(20, 399), sigma_meV=st.floats(0.1, 1e3), estimator=st.sampled_from(["dtc", "fitc"]))
@settings(max_examples=25, deadline=None)
def test_more_data_never_make_a_prediction_less_certain(n, sigma_meV, estimator):
    few, many = (
        SparseGPR(estimator=estimator, n_sparse=20, sigma_meV=sigma_meV).fit(X[:k], Y[:k]).predict(X_TEST, True)[1]
        for k in (n, 400)
    )
    prior = PolynomialKernel().diagonal(X_TEST) ** 0.5
    assert (many <= few * (1 + 1e-6) + 1e-9).all()
    assert (few <= prior * (1 + 1e-9)).all()


def test_float32_features_count_as_the_numbers_they_hold(tmp_path):
    rows = X.astype(np.float32)
    np.save(tmp_path / "X.npy", rows)
    stored = np.load(tmp_path / "X.npy", mmap_mode="r")
    expected = SparseGPR(n_sparse=50).fit(rows.astype(np.float64), Y).predict(X_TEST)
    for given_rows in (rows, stored):
        model = SparseGPR(n_sparse=50).fit(given_rows, Y)
        np.testing.assert_allclose(model.predict(X_TEST), expected, rtol=0, atol=1e-9)
        assert model.predict(X_TEST.astype(np.float32)).dtype == np.float64


@pytest.mark.parametrize("zeta", range(1, 10))
def test_kernel_is_the_formula(zeta):
    kernel = PolynomialKernel(zeta=zeta, offset=0.3, prior_scale_eV=0.7)
    left, right = kernel.scale(X[:70]), kernel.scale(X_TEST)
    expected = 0.7**2 * (0.3 + X[:70] @ X_TEST.T) ** zeta
    np.testing.assert_allclose(kernel.matrix(left, right), expected, rtol=1e-13)
    np.testing.assert_allclose(kernel.diagonal(left), np.diag(kernel.matrix(left, left)), rtol=1e-13)


def many_points(n: int) -> tuple[np.ndarray, np.ndarray]:
    return environments(n, n_features=30, seed=2)


def test_whitening_most_rows_after_the_stream_changes_nothing():
    features, energies = many_points(2500)
    options = {"n_train": [600, 1200, 2000], "n_sparse": [300, 530, 700], "sigma_meV": [1.0, 10.0]}
    basis = RepresentativeBasis(PolynomialKernel(), features[:700], 1e-12)
    assert basis.rows_to_whiten(2000, 1e-6) == 512  # else the two paths below would be the same computation
    after = SparseGPRPath(**options).fit(features, energies)
    within = SparseGPRPath(**options, estimators=["dtc", "fitc"]).fit(features, energies)
    columns = [within.models_.index(model) for model in after.models_]
    expected = within.predict(features[2000:])[:, columns]
    np.testing.assert_allclose(after.predict(features[2000:]), expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("estimator", ["dtc", "fitc"])
def test_duplicates_among_representative_points(estimator):
    features, energies = many_points(1000)
    features[600:640] = features[560:600]  # among the rows that would be whitened after the stream
    basis = RepresentativeBasis(PolynomialKernel(), features[:700], 1e-12)
    assert basis.rows_to_whiten(1000, 1e-8) == 700  # here that would lose too many digits
    model = SparseGPR(estimator=estimator, n_sparse=700, sigma_meV=1.0).fit(features, energies)
    assert model.jitter_eV2_ == pytest.approx(1e-12)
    order = np.r_[:600, 640:700, 600:640, 700:1000]  # same data and span, but no duplicate is representative
    expected = SparseGPR(estimator=estimator, n_sparse=660, sigma_meV=1.0).fit(features[order], energies[order])
    others = many_points(1100)[0][1000:]
    np.testing.assert_allclose(model.predict(others), expected.predict(others), rtol=0, atol=1e-6)


def test_jitter_is_raised_in_steps_and_then_it_is_an_error():
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(30, 30)))[0]

    def with_smallest(value: float) -> np.ndarray:
        spectrum = np.full(30, 2.0)
        spectrum[0] = value
        matrix = rotation * spectrum @ rotation.T
        return (matrix + matrix.T) / 2

    for smallest, step in ((1e-3, 1.0), (-1e-11, 1e2), (-1e-9, 1e4)):
        matrix = with_smallest(smallest)
        factor, jitter = factorise(matrix, 1e-12)
        assert jitter == pytest.approx(1e-12 * step * np.diag(matrix).mean())
        np.testing.assert_allclose(factor @ factor.T, matrix + jitter * np.eye(30), atol=1e-14)
    with pytest.raises(ParameterError, match=r"jitter of 1e-08 .* fewer representative points \(n_sparse\)"):
        factorise(with_smallest(-1e-6), 1e-12)
    # A pivot of 0.3 jitter factorises, but can only be the remains of a cancellation.
    assert factorise(np.diag([2.0, 2.0, -0.7e-12 * 4 / 3]), 1e-12)[1] == pytest.approx(1e-10 * 4 / 3)
    twice = np.concatenate([X[:40], X[:40]])
    with pytest.raises(ParameterError, match=r"without \(near-\)duplicates"):
        SparseGPR(jitter=0.0, sigma_meV=1.0).fit(np.repeat(X[:1], 3, axis=0) * np.sqrt(0.7), Y[:3])
    assert np.isfinite(SparseGPR().fit(twice, np.concatenate([Y[:40], Y[:40]])).predict(X_TEST)).all()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sigma_meV": -1.0}, "Expected sigma_meV to be finite and positive, found -1.0"),
        ({"sigma_meV": "ten"}, "Expected sigma_meV to be a number, found 'ten'"),
        ({"n_sparse": 0}, "Expected n_sparse to be at least 1, found 0"),
        ({"n_sparse": 2.5}, "Expected n_sparse to be an integer, found 2.5"),
        ({"chunk_size": 0}, "Expected chunk_size to be at least 1"),
        ({"zeta": 0}, "Expected zeta to be a positive integer, found 0"),
        ({"kernel_offset": -0.1}, "Expected kernel_offset to be finite and not negative"),
        ({"prior_scale_eV": 0.0}, "Expected prior_scale_eV to be finite and positive"),
        ({"jitter": -1e-9}, "Expected jitter to be at least 0"),
        ({"estimator": "sor"}, "Expected estimator to be one of .* found 'sor'"),
    ],
)
def test_impossible_parameters(changes, sentence):
    with pytest.raises(ParameterError, match=sentence):
        SparseGPR(**changes).fit(X, Y)


def spoiled(array: np.ndarray, value: float) -> np.ndarray:
    copy = array.copy()
    copy[37] = value
    return copy


def test_unusable_data():
    for features, energies, sentence in (
        (spoiled(X, np.nan), Y, "NaN"),
        (X, spoiled(Y, np.inf), "infinity"),
        (X, Y[:-1], r"inconsistent numbers of samples: \[400, 399\]"),
        (X[:, :, None], Y, "dim 3"),
        (X * 1e100, Y, "below 1e100"),
        (spoiled(X, 1e100), Y, "below 1e100"),
    ):
        with pytest.raises(InputError, match=sentence) as caught:
            SparseGPR(n_sparse=20).fit(features, energies)
        assert "\n" not in str(caught.value)
    path = SparseGPRPath(n_train=[50, 100], n_sparse=[20])
    for features, energies, sentence in (
        (spoiled(X, np.nan), Y, "Expected finite features, found NaN or infinity in row 37"),
        (X, spoiled(Y, np.inf), "Expected finite targets, found NaN or infinity in row 37"),
        (X, Y[:-1], "Expected one target for each of 400 rows of features, found 399"),
        (X, Y[:, None], "targets in one dimension"),
        (X[:, 0], Y, "features in two dimensions"),
        (X.astype(str), Y, "Expected real features"),
    ):
        with pytest.raises(InputError, match=sentence):
            path.fit(features, energies)
    with pytest.raises(ParameterError, match="at least 100 training rows for the largest n_train, found 60"):
        path.fit(X[:60], Y[:60])
    with pytest.raises(UnfittedError, match="Expected a fitted SparseGPRPath"):
        path.predict(X)
    for call in (lambda: SparseGPR().predict(X), lambda: SparseGPR().save("never")):
        with pytest.raises(UnfittedError, match="Expected a fitted SparseGPR, found one that was not"):
            call()
    with pytest.raises(InputError, match="X has 11 features, but SparseGPR is expecting 12"):
        SparseGPR(n_sparse=20).fit(X, Y).predict(X_TEST[:, 1:])
    with pytest.raises(InputError, match="Expected 12 features in each row, found 11"):
        path.fit(X, Y).predict(X_TEST[:, 1:])
    with pytest.raises(ParameterError, match="Expected one of the path's 2 models"):
        path.index(n_train=60, n_sparse=20, sigma_meV=10.0)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"n_train": []}, "at least one value in n_train"),
        ({"n_train": [0, 5]}, "every n_train to be an integer of at least 1, found 0"),
        ({"sigma_meV": [1.0, 0.0]}, "sigma_meV to be finite and positive"),
        ({"n_sparse": [0]}, "n_sparse to be at least 1"),
        ({"estimators": ["dtc", "vfe"]}, "found 'vfe'"),
    ],
)
def test_impossible_paths(changes, sentence):
    with pytest.raises(ParameterError, match=sentence):
        SparseGPRPath(**{"n_train": [10], **changes})


@pytest.mark.parametrize("estimator", ["dtc", "fitc"])
def test_saved_models_predict_the_same(estimator, tmp_path):
    model = SparseGPR(estimator=estimator, n_sparse=np.int64(30), kernel_offset=0.5).fit(X, Y)
    model.set_params(sigma_meV=99.0).save(tmp_path / "model.safetensors")  # without effect until the next fit
    again = SparseGPR.load(tmp_path / "model.safetensors")
    assert again.get_params() == model.fitted_parameters_
    assert again.sigma_meV == 10.0
    for a, b in zip(model.predict(X_TEST, True), again.predict(X_TEST, True), strict=True):
        np.testing.assert_array_equal(a, b)
    model.save(tmp_path / "small.safetensors", with_variance=False)
    small = SparseGPR.load(tmp_path / "small.safetensors")
    np.testing.assert_array_equal(small.predict(X_TEST), model.predict(X_TEST))
    with pytest.raises(UnfittedError, match="without"):
        small.predict(X_TEST, return_std=True)


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    SparseGPR(n_sparse=10).fit(X, Y).save(path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-5] ^= 1
    for content in (whole[:-9], whole[:20], b"", bytes(flipped), whole.replace(b'\\"zeta\\":', b'\\"beta\\":')):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"Expected .*model\.safetensors, found"):
            SparseGPR.load(path)
    save_file({"weights": np.zeros(3)}, path)
    with pytest.raises(DataError, match="found 'another file'"):
        SparseGPR.load(path)
    with pytest.raises(DataError, match="found none"):
        SparseGPR.load(tmp_path / "nothing.safetensors")


@given(cut=st.floats(0, 1, exclude_max=True), place=st.integers(0, 10**9), change=st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_no_damage_is_read_as_another_model(cut, place, change, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    model = SparseGPR(n_sparse=4).fit(X[:20], Y[:20])
    model.save(path)
    content = path.read_bytes()
    changed = bytearray(content)
    changed[place % len(content)] ^= change
    for damaged in (bytes(changed), content[: int(cut * len(content))]):
        path.write_bytes(damaged)
        try:
            again = SparseGPR.load(path)
        except DataError:
            continue
        # Otherwise it was a byte that does not matter, such as a space after the header.
        np.testing.assert_array_equal(again.predict(X_TEST), model.predict(X_TEST))
