from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.catalogue import concepts as catalogue
from features.catalogue.concepts import CONCEPTS
from features.codes import ATC, CCAM, CIM10, NGAP, PRACTICE, SYSTEMS, Concept, measured, parse_code

Shared = Callable[[str], Path]
BY_NAME = {concept.name: concept for concept in CONCEPTS}
MEASURED = [concept for concept in CONCEPTS if concept.unit is not None]


def named(concept: Concept) -> str:
    return concept.name


def systems(concept: Concept) -> set[str]:
    return {code.system for code in concept.codes}


# --- The catalogue as a whole -----------------------------------------------------------------------------


def test_every_concept_is_in_the_catalogue_under_a_name_of_its_own() -> None:
    names = [concept.name for concept in CONCEPTS]
    assert len(set(names)) == len(names)
    exported = {value.name for value in vars(catalogue).values() if isinstance(value, Concept)}
    assert exported == set(names)


def test_a_name_in_python_stands_for_one_thing() -> None:
    domains = [
        {key: value for key, value in vars(module).items() if key.isupper() and module.__name__ != "features.codes"}
        for module in catalogue.DOMAINS
    ]
    for one, two in combinations(domains, 2):
        for key in one.keys() & two.keys():
            assert one[key] is two[key], key


@pytest.mark.parametrize("concept", CONCEPTS, ids=named)
def test_a_concept_is_well_made(concept: Concept) -> None:
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", concept.name)
    assert concept.source
    assert concept.review.startswith("Reviewed by nobody yet.")  # change it here when somebody has
    assert [code for code, times in Counter(concept.codes).items() if times > 1] == []
    assert [str(code) for code in concept.codes if str(parse_code(str(code))) != str(code)] == []
    assert Concept.from_dict(json.loads(json.dumps(concept.to_dict()))).to_dict() == concept.to_dict()
    assert "SOURCE" not in systems(concept)


@pytest.mark.parametrize("concept", CONCEPTS, ids=named)
def test_a_concept_has_a_label_in_both_languages(concept: Concept) -> None:
    for label in (concept.fr, concept.en):
        assert label.strip() == label != ""
        assert label[0].isupper()
        assert not label.endswith(".")
        assert "'" not in label  # typographic apostrophes
        assert '"' not in label
        assert "  " not in label
    assert not re.search(r"[^\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}][:;!?»]", concept.fr)


def test_no_code_is_already_covered_by_a_shorter_one() -> None:
    spare = [
        (concept.name, str(one), str(two))
        for concept in CONCEPTS
        if not concept.categories
        for one in concept.codes
        for two in concept.codes
        if one != two and SYSTEMS[one.system].hierarchical and str(two).startswith(str(one))
    ]
    assert spare == []


# --- Real codes -------------------------------------------------------------------------------------------


def listed(path: Path) -> set[str]:
    with gzip.open(path) as file:
        return {row["code"] for row in json.load(file)}


def used(system: str) -> set[str]:
    return {code.value for concept in CONCEPTS for code in concept.codes if code.system == system}


def test_every_cim_10_code_is_in_the_french_list(shared: Shared) -> None:
    real = {CIM10(code).value for code in listed(shared("data/france/cim10_2021.json.gz"))}
    assert len(used("CIM10")) > 250
    assert used("CIM10") - real == set()


def test_every_act_is_in_the_french_lists(shared: Shared) -> None:
    assert used("CCAM") - listed(shared("data/france/ccam_actes.json.gz")) == set()
    acts = {NGAP(code).value for code in listed(shared("data/france/ngap_norme_b2_code_prestation.json.gz"))}
    assert used("NGAP") - acts == set()


#: Substances that the list of French packs lacks (too new, never reimbursed); each was found in two public ATC lists.
NO_FRENCH_PACK = {
    *("C10BA01", "C10BA03", "C10BA04", "C10BA06", "C10BA07", "C10BA08", "C10BA09", "C10BA10", "C10BA11", "C10BA12"),
    *("N05AE03", "N05AE05", "N05AX11"),
}


def test_every_drug_is_in_the_french_list(shared: Shared) -> None:
    table = pd.read_parquet(shared("data/france/cip13_to_atc.parquet"), columns=["PHA_ATC_C07"])
    real = set(table["PHA_ATC_C07"].dropna())
    unknown = {code for code in used("ATC") if not any(drug.startswith(code) for drug in real)}
    assert unknown == NO_FRENCH_PACK


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("statin", "STATINE"),
        ("angiotensin_receptor_blocker", "SARTAN"),
        ("insulin", "INSULINE"),
        ("hpv_vaccination", "PAPILLOMAVIRUS"),
        ("influenza_vaccination", "GRIPPE"),
        ("atypical_antipsychotic", "ZAPINE|TIAPINE|PERIDONE|PIPRAZOLE|AMISULPRIDE"),
        ("migraine_treatment", "TRIPTAN"),
    ],
)
@pytest.mark.slow
def test_a_group_of_drugs_holds_the_drugs_it_says(shared: Shared, name: str, word: str) -> None:
    table = pd.read_parquet(shared("data/france/cip13_to_atc.parquet"))
    label = next(column for column in table if table[column].astype(str).str.contains("ATORVASTATINE").any())
    drugs = table.drop_duplicates("PHA_ATC_C07").dropna(subset="PHA_ATC_C07")
    covered = drugs[[BY_NAME[name].covers(f"ATC:{code}") for code in drugs["PHA_ATC_C07"]]]
    assert len(covered) > 0
    text = covered.drop(columns="PHA_ATC_C07").astype(str).agg(" ".join, axis=1).str.upper()
    assert covered.loc[~text.str.contains(word), [label, "PHA_ATC_C07"]].to_numpy().tolist() == []


def test_departments_and_regions_are_insees(shared: Shared) -> None:
    """Every département of France, by its code, in its region; nothing else."""
    rows = json.loads(shared("data/france/departements.json").read_text())
    real = {row["code"]: row for row in rows if row["zone"] in ("metro", "drom")}
    department, region = BY_NAME["department"], BY_NAME["region"]
    assert len(real) == len(department.categories) == 101
    assert len(region.categories) == 18
    for insee, (code,) in department.categories:
        assert code.value == f"department.{insee}"
        assert department.category(str(code)) == department.category_names.index(insee)
        assert region.category_names[region.category(str(code)) or 0] == real[insee]["region"]


# --- Which systems a concept must be in -------------------------------------------------------------------

#: Kind → the systems that can express it, and the concepts of that kind.
KINDS: dict[str, tuple[set[str], str]] = {
    "of the practice's file": (
        {"PRACTICE"},
        "birth sex registered left death consultation examination hospital_stay other_contact "
        "deprivation rurality department region vendor dependency_group "
        "long_term_illness solidarity_cover family_history_premature_chd "
        "breast_screening_invitation colorectal_screening_invitation cervical_screening_invitation "
        "breast_screening_refusal colorectal_screening_refusal cervical_screening_refusal "
        "breast_screening_exclusion colorectal_screening_exclusion cervical_screening_exclusion",
    ),
    "contact": (
        {"NGAP", "SNOMED"},
        "general_practitioner_visit specialist_visit home_visit remote_consultation contraception_consultation "
        "dental_prevention colorectal_screening_act",
    ),
    "measurement": (
        {"LOINC", "SNOMED"},
        "systolic_blood_pressure diastolic_blood_pressure heart_rate body_mass_index body_weight body_height "
        "waist_circumference cigarettes_per_day alcoholic_drinks physical_activity active_days",
    ),
    "laboratory": (
        {"LOINC", "SNOMED", "NABM"},
        "total_cholesterol hdl_cholesterol ldl_cholesterol triglycerides lipid_panel creatinine estimated_gfr "
        "urine_albumin_creatinine_ratio glucose fasting_glucose hba1c faecal_occult_blood_test hpv_test",
    ),
    "condition": (
        {"CIM10", "CISP2", "SNOMED"},
        "smoking_status alcohol_use_disorder physical_inactivity precarious_living type_1_diabetes type_2_diabetes "
        "diabetes gestational_diabetes prediabetes hypertension dyslipidaemia familial_hypercholesterolaemia obesity "
        "overweight chronic_kidney_disease kidney_disease_stage_3_to_5 migraine rheumatoid_arthritis "
        "systemic_lupus_erythematosus severe_mental_illness psychosis depression hiv erectile_dysfunction copd "
        "family_history_cardiovascular pregnancy dementia palliative_care disability intellectual_disability "
        "dependency cancer immune_deficiency myocardial_infarction stroke transient_ischaemic_attack angina "
        "coronary_disease heart_failure atrial_fibrillation peripheral_artery_disease carotid_disease "
        "major_cardiovascular_event cardiovascular_disease breast_cancer breast_cancer_history benign_breast_disease "
        "breast_symptom breast_cancer_family_history breast_genetic_risk colorectal_cancer colorectal_cancer_history "
        "colorectal_adenoma colorectal_polyp inflammatory_bowel_disease colorectal_cancer_family_history "
        "colorectal_genetic_risk cervical_cancer cervical_lesion chest_pain positive_faecal_test",
    ),
    "procedure": (
        {"CCAM", "SNOMED"},
        "coronary_revascularisation kidney_transplant mammography organised_mammography individual_mammography "
        "breast_ultrasound breast_mri mastectomy bilateral_mastectomy colonoscopy sigmoidoscopy ct_colonography "
        "colorectal_polypectomy total_colectomy cervical_cytology organised_cytology total_hysterectomy "
        "cervical_excision",
    ),
    "imaging": ({"LOINC"}, "mammography ct_colonography breast_ultrasound breast_mri"),
    "drug": (
        {"ATC", "RXNORM"},
        "antihypertensive ace_inhibitor angiotensin_receptor_blocker beta_blocker calcium_channel_blocker diuretic "
        "statin high_intensity_statin moderate_intensity_statin low_intensity_statin other_lipid_lowering antiplatelet "
        "anticoagulant insulin glucose_lowering systemic_corticosteroid atypical_antipsychotic "
        "erectile_dysfunction_treatment migraine_treatment immunosuppressant",
    ),
    "vaccine": ({"ATC", "CVX", "SNOMED"}, "influenza_vaccination pneumococcal_vaccination hpv_vaccination"),
    "answer": ({"LOINC", "SNOMED"}, "smoking_status smoking_intensity"),
}
NO_CLASS = "the system has no class for it, or only one much too wide"
NO_ACT = "no act, or none of its own"
UNVERIFIED = "no code could be verified"
DOSE = "ATC does not say the dose"
FRENCH_PROGRAMME = "only the French act says whether it is the programme's"
#: Concept and system → why the concept has no code of the system.
EXCEPTIONS: dict[tuple[str, str], str] = {
    **{
        (name, "SNOMED"): "an act of the French insurance"
        for name in (
            *("general_practitioner_visit", "specialist_visit", "contraception_consultation", "dental_prevention"),
            "colorectal_screening_act",
        )
    },
    **{
        (name, "SNOMED"): UNVERIFIED
        for name in (
            *("cigarettes_per_day", "physical_activity", "active_days", "lipid_panel", "fasting_glucose"),
            *("physical_inactivity", "precarious_living", "overweight", "benign_breast_disease", "breast_symptom"),
            *("ct_colonography", "hpv_vaccination"),
        )
    },
    **{(name, "NABM"): NO_ACT for name in ("hdl_cholesterol", "estimated_gfr", "fasting_glucose")},
    **{
        (name, "CISP2"): NO_CLASS
        for name in (
            *("physical_inactivity", "precarious_living", "prediabetes", "familial_hypercholesterolaemia"),
            *("chronic_kidney_disease", "kidney_disease_stage_3_to_5", "systemic_lupus_erythematosus"),
            *("family_history_cardiovascular", "palliative_care", "carotid_disease"),
            *("breast_cancer_family_history", "breast_genetic_risk", "colorectal_adenoma", "colorectal_polyp"),
            *("colorectal_cancer_family_history", "colorectal_genetic_risk", "positive_faecal_test"),
        )
    },
    **{
        (name, "CIM10"): NO_CLASS
        for name in ("familial_hypercholesterolaemia", "breast_genetic_risk", "colorectal_genetic_risk")
    },
    **{
        (name, "SNOMED"): FRENCH_PROGRAMME
        for name in ("organised_mammography", "individual_mammography", "organised_cytology")
    },
    ("bilateral_mastectomy", "CCAM"): "an act is of one breast",
    ("kidney_transplant", "CCAM"): UNVERIFIED,
    ("breast_ultrasound", "LOINC"): UNVERIFIED,
    ("breast_mri", "LOINC"): UNVERIFIED,
    ("migraine_treatment", "RXNORM"): UNVERIFIED,
    **{
        (f"{intensity}_intensity_statin", "ATC"): DOSE for intensity in ("high", "moderate", "low")
    },
}  # fmt: skip


def test_every_concept_is_of_a_kind() -> None:
    kinds = Counter(name for _, names in KINDS.values() for name in names.split())
    assert set(kinds) == set(BY_NAME)


@pytest.mark.parametrize("kind", KINDS)
def test_a_concept_is_reachable_in_each_system_that_can_express_it(kind: str) -> None:
    needed, names = KINDS[kind]
    missing = {(name, system) for name in names.split() for system in needed - systems(BY_NAME[name])}
    assert missing - set(EXCEPTIONS) == set()


def test_an_exception_is_one() -> None:
    needed = {(name, system) for needed, names in KINDS.values() for name in names.split() for system in needed}
    assert set(EXCEPTIONS) - needed == set()
    assert {(name, system) for name, system in EXCEPTIONS if system in systems(BY_NAME[name])} == set()


# --- What belongs where -----------------------------------------------------------------------------------


def test_no_two_measured_concepts_share_a_code() -> None:
    for one, two in combinations(MEASURED, 2):
        assert [str(code) for code in one.codes if two.covers(str(code))] == []
        assert [str(code) for code in two.codes if one.covers(str(code))] == []


def test_the_types_of_diabetes_are_told_apart() -> None:
    one, two, any_type = BY_NAME["type_1_diabetes"], BY_NAME["type_2_diabetes"], BY_NAME["diabetes"]
    gestational = BY_NAME["gestational_diabetes"]
    for first, second in ((one, two), (two, one), (gestational, any_type), (any_type, gestational)):
        assert [str(code) for code in first.codes if second.covers(str(code))] == []
    assert one.covers("CIM10:E10.2")
    assert not two.covers("CIM10:E10.2")
    for kind in (one, two):
        assert [str(code) for code in kind.codes if not any_type.covers(str(code))] == []


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ("severe_mental_illness", "psychosis"),
        ("kidney_disease_stage_3_to_5", "chronic_kidney_disease"),
        ("myocardial_infarction", "coronary_disease"),
        ("angina", "coronary_disease"),
        ("coronary_revascularisation", "coronary_disease"),
        ("myocardial_infarction", "major_cardiovascular_event"),
        ("stroke", "major_cardiovascular_event"),
        ("major_cardiovascular_event", "cardiovascular_disease"),
        ("organised_mammography", "mammography"),
        ("individual_mammography", "mammography"),
        ("organised_cytology", "cervical_cytology"),
        ("breast_cancer", "breast_cancer_history"),
        ("colorectal_cancer", "colorectal_cancer_history"),
        ("colorectal_adenoma", "colorectal_polyp"),
        ("overweight", "obesity"),
        ("insulin", "glucose_lowering"),
        ("ace_inhibitor", "antihypertensive"),
        ("angiotensin_receptor_blocker", "antihypertensive"),
        ("beta_blocker", "antihypertensive"),
        ("calcium_channel_blocker", "antihypertensive"),
        ("diuretic", "antihypertensive"),
        ("high_intensity_statin", "statin"),
        ("moderate_intensity_statin", "statin"),
        ("low_intensity_statin", "statin"),
        ("hiv", "immune_deficiency"),
        ("smoking_intensity", "smoking_status"),
        ("family_history_premature_chd", "family_history_cardiovascular"),
    ],
)
def test_what_is_a_kind_of_something_is_in_it(narrow: str, wide: str) -> None:
    outside = [str(code) for code in BY_NAME[narrow].codes if not BY_NAME[wide].covers(str(code))]
    known = {
        "severe_mental_illness": ["SNOMED:83225003"],  # bipolar II disorder: no psychosis
        "kidney_disease_stage_3_to_5": [  # dialysis is no diagnosis
            *("CIM10:Z49", "CIM10:Z99.2", "SNOMED:265764009", "CCAM:JVJF004", "CCAM:JVJB001"),
        ],
        "overweight": ["CISP2:T83"],  # which CISP-2 tells apart
    }
    assert outside == known.get(narrow, [])


def test_the_intensity_of_smoking_is_a_current_smokers() -> None:
    current = dict(catalogue.SMOKING_STATUS.categories)["current"]
    assert set(catalogue.SMOKING_INTENSITY.codes) <= set(current)
    assert catalogue.SMOKING_STATUS.category_names == ("not current", "never", "former", "current")
    assert catalogue.SMOKING_INTENSITY.category_names == ("light", "moderate", "heavy")


def test_a_statin_has_one_intensity() -> None:
    for one, two in combinations(("high", "moderate", "low"), 2):
        assert not set(BY_NAME[f"{one}_intensity_statin"].codes) & set(BY_NAME[f"{two}_intensity_statin"].codes)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("statin", "ATC:C10BA10"),  # bempedoic acid and ezetimibe
        ("statin", "ATC:C10AX09"),  # ezetimibe
        ("antiplatelet", "ATC:B01AA03"),  # warfarin
        ("insulin", "ATC:A10BA02"),  # metformin
        ("atypical_antipsychotic", "ATC:N05AN01"),  # lithium
        ("atypical_antipsychotic", "ATC:N05AD01"),  # haloperidol
        ("systemic_corticosteroid", "ATC:H02AA02"),  # fludrocortisone
        ("transient_ischaemic_attack", "CIM10:G45.4"),  # transient global amnesia
        ("stroke", "CIM10:I69.3"),  # sequelae
        ("major_cardiovascular_event", "CIM10:I25.2"),  # old infarction
        ("major_cardiovascular_event", "SNOMED:1755008"),
        ("major_cardiovascular_event", "PRACTICE:death"),
        ("colorectal_cancer", "CIM10:C21.0"),  # anus
        ("colorectal_cancer", "SNOMED:94260004"),  # metastasis in the colon
        ("colorectal_adenoma", "CIM10:D12.9"),
        ("cancer", "CIM10:C44.9"),  # skin other than melanoma
        ("colonoscopy", "SNOMED:703993001"),  # planned
        ("colonoscopy", "SNOMED:851000119109"),  # heard of
        ("colonoscopy", "CCAM:HHQE004"),  # partial
        ("mastectomy", "CCAM:QEFA017"),  # partial
        ("total_hysterectomy", "CCAM:JKFA024"),  # subtotal
        ("total_hysterectomy", "CIM10:Z90.7"),
        ("cervical_cytology", "CIM10:Z12.4"),  # a reason to be seen
        ("hypertension", "CISP2:K85"),  # raised pressure
        ("depression", "CISP2:P03"),  # feeling depressed
        ("influenza_vaccination", "NGAP:VAC"),  # pandemic influenza of 2009
        ("consultation", "NGAP:G"),  # of any doctor
        ("diabetes", "CIM10:O24.4"),
        ("pregnancy", "CIM10:O80"),
    ],
)
def test_what_looks_like_something_is_not_it(name: str, code: str) -> None:
    assert str(parse_code(code)) == code
    assert not BY_NAME[name].covers(code)


TESTS = ["mammography", "faecal_occult_blood_test", "colonoscopy", "sigmoidoscopy", "cervical_cytology", "hpv_test"]


@pytest.mark.parametrize("name", TESTS)
def test_an_invitation_a_refusal_or_an_exclusion_is_no_test(name: str) -> None:
    others = [c for c in CONCEPTS if c.name.endswith(("_invitation", "_refusal", "_exclusion", "_screening_act"))]
    assert len(others) == 10
    for other in others:
        assert [str(code) for code in other.codes if BY_NAME[name].covers(str(code))] == []
    assert PRACTICE.name not in systems(BY_NAME[name])
    assert CIM10.name not in systems(BY_NAME[name])  # reasons to be seen, not tests


def test_the_record_of_one_thing_in_the_practices_file_is_not_anothers() -> None:
    own = [(c.name, str(code)) for c in CONCEPTS for code in c.codes if code.system == PRACTICE.name]
    shared = {
        *("general_practitioner_visit", "family_history_premature_chd", "family_history_cardiovascular"),
        *("major_cardiovascular_event", "cardiovascular_disease", "region"),
    }
    for concept in CONCEPTS:
        if concept.name not in shared:
            assert {name for name, code in own if concept.covers(code)} - shared <= {concept.name}
    assert BY_NAME["death"].covers("PRACTICE:death.cardiovascular")


def test_symptoms_and_findings_are_neither_diseases_nor_tests() -> None:
    pain, positive = BY_NAME["chest_pain"], BY_NAME["positive_faecal_test"]
    for symptom, others in (
        (pain, ("angina", "coronary_disease", "cardiovascular_disease", "major_cardiovascular_event")),
        (positive, ("faecal_occult_blood_test", "colorectal_cancer", "colorectal_polyp")),
    ):
        for name in others:
            assert [str(code) for code in symptom.codes if BY_NAME[name].covers(str(code))] == []
    assert not pain.covers("CIM10:R07.1")


def test_the_outcome_keeps_its_meaning() -> None:
    event = catalogue.MAJOR_CV_EVENT
    assert {code.value for code in event.codes if code.system == "CIM10"} == {"I21", "I22", "I60", "I61", "I63", "I64"}
    assert {code.value for code in event.codes if code.system == "CISP2"} == {"K75", "K90"}
    assert {code.value for code in event.codes if code.system == "PRACTICE"} == {"death.cardiovascular"}
    assert systems(event) == {"CIM10", "CISP2", "SNOMED", "PRACTICE"}


def test_acts_and_drugs_are_what_concepts_say() -> None:
    assert BY_NAME["mammography"].covers(str(CCAM("QEQK004")))
    assert BY_NAME["statin"].covers(str(ATC("C10AA05")))
    assert BY_NAME["angiotensin_receptor_blocker"].covers("ATC:C09DX04")
    assert BY_NAME["hpv_test"].covers(str(parse_code("NABM:24")))


# --- Units ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "unit", "expected", "places"),
    [
        ("total_cholesterol", 201, "mg/dL", 5.2, 2),
        ("total_cholesterol", 2.01, "g/L", 5.2, 2),
        ("hdl_cholesterol", 38.67, "mg/dL", 1, 12),
        ("ldl_cholesterol", 116, "mg/dL", 3.0, 3),
        ("triglycerides", 88.57, "mg/dL", 1, 12),
        ("triglycerides", 1.5, "g/L", 1.69, 2),
        ("creatinine", 1, "mg/dL", 88.42, 12),
        ("creatinine", 10, "mg/L", 88.42, 12),
        ("glucose", 126, "mg/dL", 7.0, 1),
        ("fasting_glucose", 1.26, "g/L", 7.0, 1),
        ("hba1c", 7.0, "%", 53, 1),
        ("hba1c", 6.5, "%", 48, 0),
        ("hba1c", 2.152, "%", 0, 12),
        ("urine_albumin_creatinine_ratio", 30, "mg/g", 3.4, 1),
        ("urine_albumin_creatinine_ratio", 300, "ug/mg", 34, 0),
        ("urine_albumin_creatinine_ratio", 3, "g/mol", 3, 12),
        ("systolic_blood_pressure", 14, "cm[Hg]", 140, 12),
        ("body_weight", 154.324, "[lb_av]", 70, 3),
        ("body_weight", 70_000, "g", 70, 12),
        ("body_height", 1.75, "m", 175, 12),
        ("body_height", 1750, "mm", 175, 12),
        ("body_height", 69, "[in_i]", 175.26, 12),
        ("waist_circumference", 40, "[in_i]", 101.6, 12),
        ("alcoholic_drinks", 14, "{drinks}/wk", 2, 12),
        ("physical_activity", 2.5, "h/wk", 150, 12),
    ],
)
def test_units_convert(name: str, value: float, unit: str, expected: float, places: int) -> None:
    converted = BY_NAME[name].convert(float(value), unit)
    assert converted is not None
    assert round(converted, places) == pytest.approx(expected, rel=1e-12)


def test_the_two_scales_of_hba1c_agree() -> None:
    converted = catalogue.HBA1C.convert(7.0, "%")
    assert converted is not None
    assert round(converted) == 53
    assert round(0.09148 * 53 + 2.152, 1) == 7.0


@pytest.mark.parametrize("concept", MEASURED, ids=named)
def test_conversions_make_sense(concept: Concept) -> None:
    units = [concept.unit, *(unit for unit, _ in concept.conversions)]
    assert len(set(units)) == len(units)
    assert concept.plausible is not None
    low, high = concept.plausible
    assert low < high
    for unit in units:
        assert unit is not None
        assert re.fullmatch(r"[!-~]{1,24}", unit)  # what a request may hold
        ends = concept.convert(np.array([0.0, 1.0]), unit)
        assert ends is not None
        offset, factor = float(ends[0]), float(ends[1] - ends[0])
        assert factor > 0
        for value in (low, (low + high) / 2, high):
            there = (value - offset) / factor
            assert concept.convert(there, unit) == pytest.approx(value, rel=1e-9, abs=1e-9)


def test_what_has_no_unit_converts_nothing() -> None:
    without = [concept for concept in CONCEPTS if concept.unit is None]
    assert [each.name for each in without if each.conversions or each.plausible is not None] == []


def test_a_code_gives_its_unit() -> None:
    assert measured(CONCEPTS, "LOINC:4548-4") is catalogue.HBA1C
    assert measured(CONCEPTS, "NABM:0996") is None
    assert measured(CONCEPTS, "CIM10:E11.9") is None
