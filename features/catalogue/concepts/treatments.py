"""Drugs: by ATC group, and by RxNorm ingredient where records come from there.

A pack delivered by its CIP 13 belongs to a concept only through its ATC code, which the reader must look up.
"""

from __future__ import annotations

from features.catalogue.concepts.sources import ACC, INGREDIENTS, QRISK3, UNREVIEWED
from features.codes import ATC, RXNORM, Concept

# Blood pressure
ACE_INHIBITORS = (
    *RXNORM.codes("18867 1998 3827 50166 29046 30131 54552 35208 35296 38454"),
    *RXNORM.codes("314076 314077"),  # lisinopril 10 and 20 mg
)
ANGIOTENSIN_BLOCKERS = (
    *RXNORM.codes("1091643 214354 83515 83818 52175 321064 73494 69749"),
    *RXNORM.codes("979485 979492"),  # losartan 25 and 50 mg
    RXNORM("1656354"),  # valsartan with sacubitril
)
BETA_BLOCKERS = (
    *RXNORM.codes("149 1202 1520 19484 20352 49737 6185 6918 7226 31555 7973 8332 8787 9947 10600"),
    *RXNORM.codes("200033 866414"),  # carvedilol 25 mg, metoprolol 100 mg
)
CALCIUM_BLOCKERS = (
    *RXNORM.codes("17767 3443 4316 33910 7396 7417 7435 11170"),
    *RXNORM.codes("197361 308136 897718"),  # amlodipine 5 and 2.5 mg, verapamil 40 mg
)
DIURETIC_DRUGS = (
    *RXNORM.codes("2409 5487 5764 6916"),  # thiazides and the like
    *RXNORM.codes("1808 4603 38413"),  # loop
    *RXNORM.codes("644 298869 9997 10763"),  # potassium-sparing
    *RXNORM.codes("310798 313988 1719286 313096"),  # hydrochlorothiazide, furosemide, spironolactone
)
COMBINED = RXNORM("999998")  # amlodipine, hydrochlorothiazide and olmesartan
ANTIHYPERTENSIVE = Concept(
    "antihypertensive",
    "Traitement antihypertenseur",
    "Antihypertensive treatment",
    (
        *ATC.codes("C02 C03 C07 C08 C09"),
        *ATC.codes("C10BX03"),  # atorvastatin and amlodipine
        *ACE_INHIBITORS,
        *ANGIOTENSIN_BLOCKERS,
        *BETA_BLOCKERS,
        *CALCIUM_BLOCKERS,
        *DIURETIC_DRUGS,
        *RXNORM.codes("2599 49276 40114 5470 6876 6984 8629 37798"),  # central, alpha blockers, vasodilators
        RXNORM("325646"),  # aliskiren
        COMBINED,
    ),
    source="ATC groups C02, C03, C07, C08, C09",
    review=f"{INGREDIENTS} The same drugs treat heart failure, angina, migraine and tremor.",
)
ACE_INHIBITOR = Concept(
    "ace_inhibitor",
    "Inhibiteur de l’enzyme de conversion",
    "ACE inhibitor",
    (*ATC.codes("C09A C09B"), *ACE_INHIBITORS),
    source="ATC C09A, C09B",
    review=INGREDIENTS,
)
ANGIOTENSIN_BLOCKER = Concept(
    "angiotensin_receptor_blocker",
    "Antagoniste des récepteurs de l’angiotensine",
    "Angiotensin receptor blocker",
    (*ATC.codes("C09C C09D"), *ANGIOTENSIN_BLOCKERS, COMBINED),
    source="ATC C09C, C09D (with sacubitril: C09DX04)",
    review=INGREDIENTS,
)
BETA_BLOCKER = Concept(
    "beta_blocker",
    "Bêtabloquant",
    "Beta blocker",
    (ATC("C07"), *BETA_BLOCKERS),
    source="ATC C07",
    review=INGREDIENTS,
)
CALCIUM_BLOCKER = Concept(
    "calcium_channel_blocker",
    "Inhibiteur calcique",
    "Calcium channel blocker",
    (*ATC.codes("C08 C09BB C09DB C10BX03"), *CALCIUM_BLOCKERS, COMBINED),
    source="ATC C08, and combinations C09BB, C09DB, C10BX03",
    review=f"{INGREDIENTS} Combinations of three drugs (C09BX, C09DX) are left out.",
)
DIURETIC = Concept(
    "diuretic",
    "Diurétique",
    "Diuretic",
    (*ATC.codes("C03 C02LA C07B C07C C07D C08GA C09BA C09DA C09XA52"), *DIURETIC_DRUGS, COMBINED),
    source="ATC C03, and combinations",
    review=f"{INGREDIENTS} Combinations of three drugs (C09BX, C09DX) are left out.",
)

# Lipids
STATIN_HIGH = (
    *RXNORM.codes("617311 259255"),  # atorvastatin 40 and 80 mg
    *RXNORM.codes("859751 859419 2167565 2167569"),  # rosuvastatin 20 and 40 mg
    *RXNORM.codes("1422096 1422099 2535745 2535749"),  # with ezetimibe
    *RXNORM.codes("597984 597990 597993 404011 404013"),  # with amlodipine
)
STATIN_MODERATE = (
    *RXNORM.codes("617312 617310"),  # atorvastatin 10 and 20 mg
    *RXNORM.codes("859424 859747 2167573 2167557"),  # rosuvastatin 5 and 10 mg
    *RXNORM.codes("312961 198211"),  # simvastatin 20 and 40 mg
    *RXNORM.codes("904475 904481"),  # pravastatin 40 and 80 mg
    *RXNORM.codes("197905 359731 359732"),  # lovastatin 40 and 60 mg
    *RXNORM.codes("360507"),  # fluvastatin 80 mg
    *RXNORM.codes("861643 861648 861652 2001254 2001262 2001266 2689112 2689121 2689125"),  # pitavastatin
    *RXNORM.codes("1422086 1422093 2535747 2535750 476349 476350"),  # with ezetimibe
    *RXNORM.codes("597967 597971 597974 597977 597980 597987"),  # with amlodipine
)
STATIN_LOW = (
    *RXNORM.codes("312962 314231 476345"),  # simvastatin 5 and 10 mg
    *RXNORM.codes("904458 904467"),  # pravastatin 10 and 20 mg
    *RXNORM.codes("197903 197904 433849"),  # lovastatin 10 and 20 mg
    *RXNORM.codes("310404 310405"),  # fluvastatin 20 and 40 mg
)
STATIN = Concept(
    "statin",
    "Statine",
    "Statin",
    (
        ATC("C10AA"),
        *ATC.codes("C10BA01 C10BA02 C10BA03 C10BA04 C10BA05 C10BA06 C10BA07 C10BA08 C10BA09 C10BA11 C10BA12 C10BX"),
        *RXNORM.codes("83367 596723 41127 6472 861634 42463 301542 36567"),
        *STATIN_HIGH,
        *STATIN_MODERATE,
        *STATIN_LOW,
        *RXNORM.codes("200345 476351"),  # simvastatin 80 mg
    ),
    source="ATC C10AA, C10BA, C10BX",
    review=f"{UNREVIEWED} Without C10BA10 (bempedoic acid and ezetimibe), which holds no statin.",
)
HIGH_INTENSITY_STATIN = Concept(
    "high_intensity_statin",
    "Statine de forte intensité",
    "High-intensity statin",
    STATIN_HIGH,
    source=ACC,
    review=f"{UNREVIEWED} Only RxNorm says the dose; with ATC the intensity cannot be told.",
)
MODERATE_INTENSITY_STATIN = Concept(
    "moderate_intensity_statin",
    "Statine d’intensité modérée",
    "Moderate-intensity statin",
    STATIN_MODERATE,
    source=ACC,
    review=f"{UNREVIEWED} Only RxNorm says the dose; with ATC the intensity cannot be told.",
)
LOW_INTENSITY_STATIN = Concept(
    "low_intensity_statin",
    "Statine de faible intensité",
    "Low-intensity statin",
    STATIN_LOW,
    source=ACC,
    review=f"{UNREVIEWED} Only RxNorm says the dose; with ATC the intensity cannot be told.",
)
OTHER_LIPID_LOWERING = Concept(
    "other_lipid_lowering",
    "Autre hypolipémiant",
    "Other lipid-lowering treatment",
    (
        *ATC.codes("C10AB C10AC C10AD C10AX C10BA02 C10BA05 C10BA06 C10BA10 C10BA11 C10BA12"),
        *RXNORM.codes("1422086 1422093 1422096 1422099 2535745 2535747 2535749 2535750 476345 476349 476350 476351"),
    ),
    source="ATC C10AB, C10AC, C10AD, C10AX (ezetimibe, PCSK9 inhibitors, bempedoic acid), and with ezetimibe",
    review=f"{UNREVIEWED} RxNorm: only ezetimibe in combination; the other ingredients could not be verified.",
)

# Blood
ANTIPLATELET = Concept(
    "antiplatelet",
    "Antiagrégant plaquettaire",
    "Antiplatelet",
    (
        ATC("B01AC"),
        ATC("C10BX02"),  # pravastatin and aspirin
        *RXNORM.codes("32968 613391 1116632 10594"),
        *RXNORM.codes("309362 243670"),  # clopidogrel 75 mg, aspirin 81 mg
    ),
    source="ATC B01AC",
    review=f"{INGREDIENTS} Aspirin as an ingredient is left out: it does not say the dose.",
)
ANTICOAGULANT = Concept(
    "anticoagulant",
    "Anticoagulant",
    "Anticoagulant",
    (
        *ATC.codes("B01AA B01AB B01AE B01AF B01AX05"),
        *RXNORM.codes("11289 154 8150"),  # vitamin K antagonists
        *RXNORM.codes("1037042 1364430 1599538 1114195"),  # direct
        *RXNORM.codes("5224 67108 67109 321208"),  # heparins, fondaparinux
        *RXNORM.codes("855332 854228 854235 854252 1659263"),  # warfarin 5 mg, enoxaparin, heparin
    ),
    source="ATC B01AA, B01AB, B01AE, B01AF, B01AX05",
    review=f"{INGREDIENTS} Heparin flushes of catheters are in it.",
)

# Diabetes
INSULINS = (
    *RXNORM.codes("253182 86009 314684 51428 352385 400008"),  # human, lispro, aspart, glulisine
    *RXNORM.codes("274783 139825 1670007"),  # glargine, detemir, degludec
    *RXNORM.codes("865098 106892"),  # lispro, human 70/30
)
INSULIN = Concept("insulin", "Insuline", "Insulin", (ATC("A10A"), *INSULINS), source="ATC A10A", review=INGREDIENTS)
GLUCOSE_LOWERING = Concept(
    "glucose_lowering",
    "Traitement antidiabétique",
    "Glucose-lowering treatment",
    (
        *ATC.codes("A10A A10B"),
        *INSULINS,
        *RXNORM.codes("6809 860975"),  # metformin
        *RXNORM.codes("25789 4821 4815 4816 10635 2404 73044 274332"),  # sulphonylureas, glinides
        *RXNORM.codes("16681 30009 33738 84108"),  # acarbose, miglitol, glitazones
        *RXNORM.codes("593411 596554 857974 1100699 1368001"),  # gliptins
        *RXNORM.codes("475968 60548 1551291 1991302 1440051 1534763 897122"),  # GLP-1
        *RXNORM.codes("1545653 1488564 1373458 1992672 1373463"),  # SGLT2
    ),
    source="ATC A10A, A10B",
    review=f"{INGREDIENTS} Some are also given for weight, heart failure or kidney disease.",
)

# Others in QRISK3
SYSTEMIC_CORTICOSTEROID = Concept(
    "systemic_corticosteroid",
    "Corticoïde par voie générale",
    "Systemic corticosteroid",
    (
        ATC("H02AB"),
        *RXNORM.codes("6902 8638 8640"),  # methylprednisolone, prednisolone, prednisone
        *RXNORM.codes("312617 312615"),  # prednisone 5 and 20 mg
    ),
    source=QRISK3,
    review=f"{INGREDIENTS} Hydrocortisone as an ingredient is left out: most of it is for the skin.",
)
ATYPICAL_ANTIPSYCHOTIC = Concept(
    "atypical_antipsychotic",
    "Antipsychotique atypique",
    "Atypical antipsychotic",
    (
        *ATC.codes("N05AE03 N05AE05"),  # sertindole, lurasidone
        *ATC.codes("N05AH02 N05AH03 N05AH04 N05AL05"),  # clozapine, olanzapine, quetiapine, amisulpride
        *ATC.codes("N05AX08 N05AX11 N05AX12 N05AX13"),  # risperidone, zotepine, aripiprazole, paliperidone
        *RXNORM.codes("89013 2626 61381 35636"),
    ),
    source=QRISK3,
    review=f"{INGREDIENTS} QRISK3’s list; RxNorm codes of quetiapine and the others could not be verified.",
)
ERECTILE_DYSFUNCTION_TREATMENT = Concept(
    "erectile_dysfunction_treatment",
    "Traitement de la dysfonction érectile",
    "Treatment of erectile dysfunction",
    (ATC("G04BE"), RXNORM("136411")),
    source=QRISK3,
    review=f"{INGREDIENTS} Sildenafil and tadalafil also treat pulmonary hypertension.",
)
MIGRAINE_TREATMENT = Concept(
    "migraine_treatment",
    "Traitement de la crise de migraine par triptan",
    "Triptan for migraine",
    (ATC("N02CC"),),
    source="ATC N02CC",
    review=f"{UNREVIEWED} RxNorm codes could not be verified.",
)
IMMUNOSUPPRESSANT = Concept(
    "immunosuppressant",
    "Immunosuppresseur",
    "Immunosuppressant",
    (
        ATC("L04"),
        *RXNORM.codes("3008 241834 360110"),  # ciclosporin, sirolimus
        *RXNORM.codes("6851 105585 105586"),  # methotrexate
        *RXNORM.codes("1657981 727711 2047241"),  # tocilizumab, anakinra, baricitinib
    ),
    source="ATC L04",
    review=f"{INGREDIENTS} For cervical screening, which is more frequent under it.",
)
